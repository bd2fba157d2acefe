/** Arguments for the storm: memory, as buffers, lists of them, and event arrays. */
import * as sys from '../../../src/sys';
import { pick, random } from '../../support/storm-random';
import { NOT_INTEGERS, NOT_NUMBERS, type Unit } from './storm-integers';

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

const TOO_MANY = new Array<Uint8Array>(sys.IOV_MAX + 1).fill(new Uint8Array(1));

/** A list of buffers, and how many of them. */
export const buffers: Unit = {
  right: () => [[new Uint8Array(16), new Uint8Array(0)], 2],
  wrong: () => {
    const makers: (() => unknown[])[] = [
      () => [pick(NOT_BUFFERS), 1],
      () => [new Uint8Array(16), 1],
      () => [[pick(NOT_BUFFERS)], 1],
      () => [[new Uint8Array(4), pick(NOT_BUFFERS), new Uint8Array(4)], 3],
      () => [new Array(3), 3],
      () => [[new Uint8Array(4)], pick([...NOT_NUMBERS, ...NOT_INTEGERS, -1, 2, 2 ** 31, 2 ** 32])],
      () => [TOO_MANY, TOO_MANY.length],
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

/** A buffer of at least `size` bytes, or none. */
export function roomOrNull(size: number): Unit {
  const { right, wrong } = room(size);
  const given = ([value]: unknown[]): boolean => value !== null && value !== undefined;
  return {
    right,
    wrong: () => {
      for (;;) {
        const args = wrong();
        if (given(args)) return args;
      }
    },
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
