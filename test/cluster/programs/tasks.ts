/** Functions for the threads of a task scheduler under test. */

/** A word in shared memory on which a task waits until the test opens it. */
export type Gate = Int32Array;

interface Entry {
  /** 1 once the task has begun. */
  begun?: Gate;
  gate?: Gate;
  value?: unknown;
}

export function run(value: unknown): unknown {
  return value;
}

/** Notify `begun`, wait for `gate`, and return `value`. */
export function hold({ begun, gate, value }: Entry): unknown {
  if (begun !== undefined) {
    Atomics.store(begun, 0, 1);
    Atomics.notify(begun, 0);
  }
  if (gate !== undefined) Atomics.wait(gate, 0, 0);
  return value;
}

/** Which thread this is. */
export async function thread(): Promise<number> {
  return require('node:worker_threads').threadId;
}

/** Of this thread. */
export function niceness(): number {
  return require('node:os').getPriority();
}

export async function fail(message: string): Promise<never> {
  throw Object.assign(new RangeError(message), { code: 'EBAD', detail: 7, socket: { fd: 3 } });
}

/** Throws what cannot be copied. */
export function failOddly(): never {
  throw Object.assign(new Error('odd'), { cause: () => 1 });
}

export function throwText(): never {
  throw 'only text';
}

export function exit(code: number): never {
  process.exit(code);
}

/** An exception that no task throws, but the thread. */
export function throwLater(): Promise<never> {
  setImmediate(() => {
    throw new Error('thrown later');
  });
  return new Promise(() => {});
}

/** Answer, and crash when nobody waits for anything. */
export function crashAfterwards(gate: Gate): string {
  setImmediate(() => {
    Atomics.wait(gate, 0, 0);
    throw new Error('crashed afterwards');
  });
  return 'answered';
}

export function exhaust(): never {
  const kept: unknown[] = [];
  for (;;) kept.push(new Array(100_000).fill(kept.length));
}

/** Returns what cannot be copied. */
export function uncopiable(): unknown {
  return { call: () => {} };
}

export function promises(): unknown {
  return [Promise.resolve(1)];
}

/** What bytes came, and how much memory came with them. */
export function bytes(payload: Uint8Array): { text: string; memory: number } {
  return { text: Buffer.from(payload).toString(), memory: payload.buffer.byteLength };
}
