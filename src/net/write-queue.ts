/**
 * Bytes that the kernel would not take yet, in order, with the callbacks that wait for them.
 *
 * It does no I/O: it gathers what to send next, and is told how much was sent. A connection has one
 * only while something is queued.
 */

/** Called once for a write: with nothing when the kernel has all its bytes, or with the error. */
export type WriteCallback = (error?: Error) => void;

interface PendingWrite {
  readonly bytes: Uint8Array;
  readonly callback: WriteCallback | undefined;
  /** `performance.now()` of the write. */
  readonly since: number;
}

/** Chunks at least this long are sent from where they are; shorter ones are put together. */
const GATHER_LIMIT = 16 * 1024;

/** A callback that throws must not upset the accounts: its error is raised a little later. */
function settle(callback: WriteCallback | undefined, error?: Error): void {
  if (callback === undefined) return;
  try {
    if (error === undefined) callback();
    else callback(error);
  } catch (thrown) {
    process.nextTick(() => {
      throw thrown;
    });
  }
}

/** The queue of one connection. */
export class WriteQueue {
  readonly #pending: PendingWrite[] = [];
  #head = 0;
  /** Bytes of the first write that were sent already. */
  #sent = 0;
  #bytes = 0;

  /** Bytes that are queued. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether nothing is queued: no bytes, and no callback of an empty write. */
  get empty(): boolean {
    return this.#head === this.#pending.length;
  }

  /** Since when the first write waits, in milliseconds of `performance.now()`. */
  get waitingSince(): number {
    return this.#pending[this.#head]?.since ?? Infinity;
  }

  /** Queue `bytes` without copying them. */
  push(bytes: Uint8Array, since: number, callback?: WriteCallback): void {
    this.#pending.push({ bytes, callback, since });
    this.#bytes += bytes.byteLength;
  }

  /**
   * What to send next: a view of the first chunk, or of `scratch` with the first few put together.
   * Empty only if the queue has no bytes.
   */
  next(scratch: Buffer): Uint8Array {
    const first = this.#pending[this.#head];
    if (first === undefined) return scratch.subarray(0, 0);
    if (first.bytes.byteLength - this.#sent >= GATHER_LIMIT) {
      return this.#sent === 0 ? first.bytes : first.bytes.subarray(this.#sent);
    }
    return scratch.subarray(0, this.#gather(scratch));
  }

  /** `count` bytes were sent. Calls back those whose writes are complete. */
  sent(count: number): void {
    this.#bytes -= count;
    let left = count;
    for (let first = this.#pending[this.#head]; first; first = this.#pending[this.#head]) {
      const rest = first.bytes.byteLength - this.#sent;
      if (rest > left) break;
      left -= rest;
      this.#shift();
      settle(first.callback);
    }
    if (!this.empty) this.#sent += left;
  }

  /** Give up: every waiting callback gets `error`. */
  fail(error: Error): void {
    const waiting = this.#pending.splice(this.#head);
    this.#pending.length = 0;
    this.#head = 0;
    this.#sent = 0;
    this.#bytes = 0;
    for (const { callback } of waiting) settle(callback, error);
  }

  #gather(scratch: Buffer): number {
    let length = 0;
    let skip = this.#sent;
    for (let index = this.#head; index < this.#pending.length; index += 1) {
      const { bytes } = this.#pending[index] as PendingWrite;
      const room = scratch.byteLength - length;
      const rest = bytes.byteLength - skip;
      const part = skip === 0 && rest <= room ? bytes : bytes.subarray(skip, skip + room);
      scratch.set(part, length);
      length += part.byteLength;
      if (rest > room) break;
      skip = 0;
    }
    return length;
  }

  #shift(): void {
    this.#sent = 0;
    this.#head += 1;
    if (this.#head === this.#pending.length) {
      this.#pending.length = 0;
      this.#head = 0;
    } else if (this.#head >= 64 && this.#head * 2 >= this.#pending.length) {
      this.#pending.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
