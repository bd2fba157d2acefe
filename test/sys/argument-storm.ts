/**
 * Throws wrong arguments at every function of `sys`; run as a process of its own by
 * argument-storm.test.ts, so that a crash is seen. Usage: argument-storm.ts CALLS SEED
 *
 * Each call has at least one wrong argument and must be refused before C sees it: with a TypeError
 * or RangeError that has Node's code. The right arguments among them are harmless ones.
 */
import { readdirSync } from 'node:fs';
import * as sys from '../../src/sys';

Error.stackTraceLimit = 0;
const calls = Number(process.argv[2] ?? 100_000);
let seed = Number(process.argv[3] ?? 1);

/** A small generator with a seed, so that a failure can be repeated (Lehmer, modulo 2**31 - 1). */
function random(below: number): number {
  seed = (seed * 48_271) % 0x7fff_ffff;
  return seed % below;
}

function pick<T>(values: readonly T[]): T {
  return values[random(values.length)] as T;
}

/** One or two neighbouring arguments, right or wrong. */
interface Unit {
  right(): unknown[];
  wrong(): unknown[];
}

const NOT_NUMBERS = [
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
const NOT_INTEGERS = [Number.NaN, 0.5, 3.000_001, -1.5, Infinity, -Infinity, 1e21, 2 ** 53 + 2];

function integers(min: number, max: number, right: number): Unit {
  const outside = [min - 1, max + 1, -(2 ** 32), 2 ** 32, 2 ** 33, -(2 ** 53), 2 ** 53];
  const wrong = [...NOT_NUMBERS, ...NOT_INTEGERS, ...outside.filter((n) => n < min || n > max)];
  return { right: () => [right], wrong: () => [pick(wrong)] };
}

const INT = 2 ** 31;
const fd = integers(0, INT - 1, sys.eventfd(0, 0));
const int = integers(-INT, INT - 1, 0);
const uint = integers(0, 2 ** 32 - 1, 0);

function detached(bytes: number): Uint8Array {
  const view = new Uint8Array(bytes);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

/** A view on a buffer that has shrunk since. */
function shrunk(bytes: number): Uint8Array {
  type Resizable = ArrayBuffer & { resize(bytes: number): void };
  type Constructor = new (bytes: number, options: { maxByteLength: number }) => Resizable;
  const buffer = new (ArrayBuffer as unknown as Constructor)(bytes, { maxByteLength: 64 });
  const view = new Uint8Array(buffer);
  buffer.resize(random(bytes));
  return view;
}

/** Says that it is longer than it is, in one of two ways. */
function lying(bytes: number): Uint8Array {
  class Longer extends Uint8Array {
    override get byteLength(): number {
      return 1 << 20;
    }
  }
  if (random(2) === 0) return new Longer(bytes);
  return Object.defineProperty(new Uint8Array(bytes), 'byteLength', { value: 1 << 20 });
}

const NOT_BUFFERS = [
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
const bytes: Unit = {
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
const whole: Unit = {
  right: () => [new Uint8Array(16)],
  wrong: () => [pick(NOT_BUFFERS.filter((value) => value !== undefined && value !== null))],
};

/** A buffer of at least `size` bytes. */
function room(size: number): Unit {
  const tooShort = [() => new Uint32Array(0), () => new Uint8Array(size - 1), () => detached(size)];
  return {
    right: () => [new Uint32Array(size)],
    wrong: () => (random(2) === 0 ? [pick(tooShort)()] : [pick(NOT_BUFFERS)]),
  };
}

/** An event array and how many of its events to use. */
const events: Unit = {
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

const timespec: Unit = {
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

const address: Unit = {
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

const table: Record<string, Unit[]> = {
  createEventBuffer: [integers(1, sys.MAX_EVENTS, 1)],
  epollCreate1: [int],
  epollCtl: [fd, { ...int, right: () => [1] }, fd, room(sys.EVENT_BYTES)],
  epollWait: [fd, events, integers(-1, INT - 1, 0)],
  epollPwait2: [fd, events, timespec],
  eventfd: [uint, int],
  read: [fd, bytes],
  write: [fd, bytes],
  close: [fd],
  fcntl: [fd, int, int],
  setNonBlocking: [fd],
  socket: [int, int, int],
  socketpair: [int, int, int, room(8)],
  bind: [fd, whole],
  listen: [fd, int],
  accept4: [fd, int, whole],
  connect: [fd, whole],
  shutdown: [fd, int],
  send: [fd, bytes, int],
  recv: [fd, bytes, int],
  getsockopt: [fd, int, int, whole],
  setsockopt: [fd, int, int, whole],
  getsockname: [fd, whole],
  getpeername: [fd, whole],
  encodeAddress: [address],
  decodeAddress: [whole],
};

/** What has no argument that C would see. */
const HARMLESS = ['errnoName', 'errnoText', 'unwrap', 'SystemError'];

function storm(name: string, units: Unit[]): void {
  const call = sys[name as keyof typeof sys] as (...args: unknown[]) => unknown;
  for (let count = 0; count < calls; count += 1) {
    const wrongOne = random(units.length);
    const args = units.flatMap((unit, index) =>
      index === wrongOne || random(4) === 0 ? unit.wrong() : unit.right(),
    );
    try {
      call(...args);
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if (code === 'ERR_INVALID_ARG_TYPE' || code === 'ERR_OUT_OF_RANGE') continue;
      throw error;
    }
    console.error(`${name} accepted`, args);
    process.exit(1);
  }
}

const exported = Object.keys(sys).filter(
  (name) => typeof sys[name as keyof typeof sys] === 'function',
);
const forgotten = exported.filter((name) => !(name in table) && !HARMLESS.includes(name));
if (forgotten.length > 0) throw new Error(`no storm for ${forgotten}`);

const fdsBefore = readdirSync('/proc/self/fd').length;
for (const [name, units] of Object.entries(table)) storm(name, units);
const fdsAfter = readdirSync('/proc/self/fd').length;
console.log(JSON.stringify({ functions: Object.keys(table).length, calls, fdsBefore, fdsAfter }));
