/**
 * Arguments for the storm: for each kind of parameter right ones, which are harmless, and wrong ones
 * of every sort.
 */
import * as sys from '../../src/sys';

let seed = 1;

/** Start the random numbers, so that a failure can be repeated. */
export function setSeed(value: number): void {
  seed = value;
}

/** A small generator with a seed, so that a failure can be repeated (Lehmer, modulo 2**31 - 1). */
export function random(below: number): number {
  seed = (seed * 48_271) % 0x7fff_ffff;
  return seed % below;
}

export function pick<T>(values: readonly T[]): T {
  return values[random(values.length)] as T;
}

/** One or two neighbouring arguments, right or wrong. */
export interface Unit {
  right(): unknown[];
  wrong(): unknown[];
}

export const NOT_NUMBERS = [
  null,
  '3',
  '',
  true,
  3n,
  {},
  [],
  [3],
  Symbol('3'),
  () => 3,
  { valueOf: () => 3 },
  Object(3),
];
export const NOT_INTEGERS = [
  Number.NaN,
  0.5,
  3.000_001,
  -1.5,
  Infinity,
  -Infinity,
  1e21,
  2 ** 53 + 2,
];

export function integers(min: number, max: number, right: number): Unit {
  const outside = [min - 1, max + 1, -(2 ** 32), 2 ** 32, 2 ** 33, -(2 ** 53), 2 ** 53];
  const wrong = [...NOT_NUMBERS, ...NOT_INTEGERS, ...outside.filter((n) => n < min || n > max)];
  return { right: () => [right], wrong: () => [pick(wrong)] };
}

export const INT = 2 ** 31;
export const fd = integers(0, INT - 1, sys.eventfd(0, 0));
export const int = integers(-INT, INT - 1, 0);
export const uint = integers(0, 2 ** 32 - 1, 0);

export function detached(bytes: number): Uint8Array {
  const view = new Uint8Array(bytes);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

/** A view on a buffer that has shrunk since. */
export function shrunk(bytes: number): Uint8Array {
  type Resizable = ArrayBuffer & { resize(bytes: number): void };
  type Constructor = new (bytes: number, options: { maxByteLength: number }) => Resizable;
  const buffer = new (ArrayBuffer as unknown as Constructor)(bytes, { maxByteLength: 64 });
  const view = new Uint8Array(buffer);
  buffer.resize(random(bytes));
  return view;
}

/** Says that it is longer than it is, in one of two ways. */
export function lying(bytes: number): Uint8Array {
  class Longer extends Uint8Array {
    override get byteLength(): number {
      return 1 << 20;
    }
  }
  if (random(2) === 0) return new Longer(bytes);
  return Object.defineProperty(new Uint8Array(bytes), 'byteLength', { value: 1 << 20 });
}

export const NOT_BUFFERS = [
  undefined,
  ...NOT_NUMBERS,
  1,
  'text',
  new ArrayBuffer(64),
  new DataView(new ArrayBuffer(64)),
  new Float64Array(8),
  new Uint16Array(8),
  { length: 64, byteLength: 64 },
  Object.create(Uint8Array.prototype),
  new Proxy(new Uint8Array(64), {}),
];

/** A buffer and how many of its bytes to use. */
export const bytes: Unit = {
  right: () => [new Uint8Array(16), 16],
  wrong: () => {
    const length = 1 + random(32);
    const makers: (() => unknown[])[] = [
      () => [pick(NOT_BUFFERS), length],
      () => [new Uint8Array(length), length + 1 + random(1_000_000)],
      () => [Buffer.alloc(length), pick([...NOT_NUMBERS, ...NOT_INTEGERS, -1, 2 ** 31, 2 ** 32])],
      () => [detached(length), length],
      () => [shrunk(length), length],
      () => [lying(length), 1 << 20],
      () => [new Uint8Array(new SharedArrayBuffer(length)), length + 1],
    ];
    return pick(makers)();
  },
};

/** A buffer that is used whole. */
export const whole: Unit = {
  right: () => [new Uint8Array(16)],
  wrong: () => [pick(NOT_BUFFERS.filter((value) => value !== undefined && value !== null))],
};

/** A buffer of at least `size` bytes. */
export function room(size: number): Unit {
  const tooShort = [() => new Uint32Array(0), () => new Uint8Array(size - 1), () => detached(size)];
  return {
    right: () => [new Uint32Array(size)],
    wrong: () => (random(2) === 0 ? [pick(tooShort)()] : [pick(NOT_BUFFERS)]),
  };
}

/** An event array and how many of its events to use. */
export const events: Unit = {
  right: () => [sys.createEventBuffer(4), 4],
  wrong: () => {
    const makers: (() => unknown[])[] = [
      () => [pick(NOT_BUFFERS), 4],
      () => [sys.createEventBuffer(4), 5 + random(1_000)],
      () => [sys.createEventBuffer(4), pick([...NOT_NUMBERS, ...NOT_INTEGERS, 0, -1, 2 ** 32])],
      () => [detached(sys.EVENT_BYTES), 1],
    ];
    return pick(makers)();
  },
};

export const timespec: Unit = {
  right: () => [{ seconds: 0, nanoseconds: 0 }],
  wrong: () => [
    pick<unknown>([
      ...NOT_NUMBERS.filter((value) => value !== null),
      { seconds: pick(NOT_INTEGERS), nanoseconds: 0 },
      { seconds: 0, nanoseconds: pick([...NOT_NUMBERS, -1, 1_000_000_000]) },
      { seconds: pick([-1, INT, ...NOT_NUMBERS]), nanoseconds: 0 },
    ]),
  ],
};

export const address: Unit = {
  right: () => [{ address: '127.0.0.1', port: 0 }],
  wrong: () =>
    [
      {
        address: pick<unknown>([
          ...NOT_NUMBERS,
          '1.2.3',
          '::1%',
          '::1%nosuchif',
          '1.2.3.4\0',
          'a'.repeat(300),
        ]),
        port: 0,
      },
      { address: '::1', port: pick([...NOT_NUMBERS, ...NOT_INTEGERS, -1, 65_536]) },
    ]
      .slice(random(2))
      .slice(0, 1),
};

/** A path as text or bytes; the right one is a directory without events for us. */
export const path: Unit = {
  right: () => [pick<unknown>(['/proc/self/fdinfo', Buffer.from('/proc/self/fdinfo')])],
  wrong: () => [
    pick<unknown>([
      ...NOT_BUFFERS.filter((value) => typeof value !== 'string'),
      'a\0b',
      '\0',
      new Uint8Array(4),
      Buffer.from('/tmp\0'),
      new Uint32Array(2),
    ]),
  ],
};

/** Columns and rows of a terminal. */
export const windowSize: Unit = {
  right: () => [{ columns: 80, rows: 24 }],
  wrong: () => [
    pick<unknown>([
      ...NOT_NUMBERS.filter((value) => typeof value !== 'object' && typeof value !== 'function'),
      null,
      undefined,
      { columns: pick([...NOT_NUMBERS, ...NOT_INTEGERS, -1, 65_536]), rows: 24 },
      { columns: 80, rows: pick([...NOT_NUMBERS, ...NOT_INTEGERS, -1, 65_536]) },
    ]),
  ],
};

/** An object that is filled in. */
export const anObject: Unit = {
  right: () => [{}],
  wrong: () => [pick<unknown>([undefined, null, 3, 3n, '3', true, Symbol('3'), () => 3])],
};
