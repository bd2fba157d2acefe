/**
 * Arguments for the storm: for each kind of parameter right ones, which are harmless, and wrong ones
 * of every sort.
 */
import * as sys from '../../../src/sys';
import { pick, random } from '../../support/storm-random';
import { INT, integers, NOT_INTEGERS, NOT_NUMBERS, type Unit } from './storm-integers';
import { detached, lying, NOT_BUFFERS } from './storm-memory';

export * from './storm-integers';
export * from './storm-memory';

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

/** An argument that is one of `right`, or one of `wrong`. */
export function either(right: () => unknown, wrong: () => unknown): Unit {
  return { right: () => [right()], wrong: () => [wrong()] };
}

const NOT_OBJECTS = NOT_NUMBERS.filter((value) => typeof value !== 'object');

export const timeval = either(
  () => ({ seconds: 0, microseconds: 0 }),
  () =>
    pick<unknown>([
      ...NOT_OBJECTS,
      { seconds: pick(NOT_INTEGERS), microseconds: 0 },
      { seconds: 0, microseconds: pick([...NOT_NUMBERS, -1, 1_000_000]) },
      { seconds: pick([-1, INT, ...NOT_NUMBERS]), microseconds: 0 },
    ]),
);

/** A signal mask, or null. */
export const signalMask = either(
  () => pick([null, sys.encodeSignalSet([])]),
  () => {
    const isSomething = (value: unknown): boolean => value !== undefined && value !== null;
    const tooShort = [new Uint8Array(8), new Uint8Array(127), detached(128), lying(127)];
    return pick<unknown>([...NOT_BUFFERS.filter(isSomething), ...tooShort]);
  },
);

export const signals = either(
  () => pick([[], ['SIGINT', 1, 64], [9]]),
  () =>
    pick<unknown>([
      ...NOT_NUMBERS.filter((value) => !Array.isArray(value)),
      [pick([...NOT_INTEGERS, 0, -1, 65, 2 ** 32 + 1])],
      ['SIGINT', pick(['INT', 'sigint', '', 'toString', '__proto__', null, {}, 2n])],
      [32],
      new Array(3),
      new Uint8Array(3),
    ]),
);

/** An array of pollfds and how many of them to use. */
export const pollfds: Unit = {
  right: () => [new sys.PollList(4).bytes, 4],
  wrong: () => {
    const makers: (() => unknown[])[] = [
      () => [pick(NOT_BUFFERS), 4],
      () => [new Uint8Array(4 * sys.POLLFD_BYTES), 5 + random(1_000)],
      () => [new Uint8Array(64), pick([...NOT_NUMBERS, ...NOT_INTEGERS, -1, 65_536, 2 ** 32])],
      () => [detached(sys.POLLFD_BYTES), 1],
      () => [lying(sys.POLLFD_BYTES), 2],
    ];
    return pick(makers)();
  },
};

function detachedFdSet(): sys.FdSet {
  const set = new sys.FdSet();
  structuredClone(set.words.buffer, { transfer: [set.words.buffer as ArrayBuffer] });
  return set;
}

export const fdSet = either(
  () => pick([null, new sys.FdSet()]),
  () =>
    pick<unknown>([
      ...NOT_BUFFERS.filter((value) => value !== null),
      Object.create(sys.FdSet.prototype),
      { words: new Uint32Array(32) },
      new Set(),
      detachedFdSet(),
    ]),
);

/** A position in a file, or null. */
export const position = either(
  () => pick([null, 0, 2 ** 53 - 1]),
  () => {
    const [wrong] = integers(0, 2 ** 53 - 1, 0).wrong();
    return wrong ?? -1;
  },
);

export const count = integers(0, 2 ** 53 - 1, 0);

export const text = either(
  () => 'storm',
  () => pick<unknown>([...NOT_NUMBERS.filter((one) => typeof one !== 'string'), 'a\0b', 1, '\0']),
);

const sized = sys.constants.EPIOCSPARAMS;
const old = sys.constants.FIONREAD;

/** A request of ioctl(2) and its argument: none of an eventfd, so that nothing happens. */
export const request: Unit = {
  right: () =>
    pick<unknown[]>([
      [sized, new Uint8Array(8)],
      [old, new Int32Array(1)],
      [old, -1],
    ]),
  wrong: () => {
    const makers: (() => unknown[])[] = [
      () => [
        pick([...NOT_NUMBERS, ...NOT_INTEGERS, -INT - 1, 2 ** 32, 2 ** 33]),
        new Uint8Array(64),
      ],
      () => [sized, new Uint8Array(random(8))],
      () => [0x8fff_0001, new Uint8Array(0xffe)],
      () => [old, new Uint8Array(random(4))],
      () => [pick([sized, old]), detached(8)],
      () => [sized, lying(7)],
      () => [pick([sized, old]), pick(NOT_BUFFERS.filter((one) => one !== undefined && one !== 1))],
      () => [old, pick([...NOT_INTEGERS, -2, 65_536, 0x40_0000, 2 ** 32])],
    ];
    return pick(makers)();
  },
};

const limits = [
  -1,
  0.5,
  Number.NaN,
  -Infinity,
  2 ** 53,
  -1n,
  2n ** 64n,
  ...NOT_NUMBERS.filter((one) => typeof one !== 'bigint'),
];

/** A new limit for prlimit(2); the right one is the null that sets nothing. */
export const limit = either(
  () => null,
  () =>
    pick<unknown>([
      ...NOT_OBJECTS,
      {},
      { soft: pick(limits), hard: Infinity },
      { soft: 0, hard: pick(limits) },
    ]),
);

/** Where prlimit(2) puts the limit that held before. */
export const limitOut = either(
  () => pick([null, { soft: 0, hard: 0 }]),
  () => pick<unknown>([undefined, ...NOT_OBJECTS]),
);
/** An object that a call reads or fills. */
export function objects(right: object): Unit {
  const wrong = [undefined, null, '3', 3, true, 3n, Symbol('3'), () => 3];
  return { right: () => [right], wrong: () => [pick<unknown>(wrong)] };
}

export const timerSpecOut: Unit = {
  right: () => [{ value: {}, interval: {} }],
  wrong: () => [
    pick<unknown>([null, undefined, 3, '3', {}, { value: {} }, { value: 3, interval: {} }]),
  ],
};

export const timerSpec: Unit = {
  right: () => [
    { value: { seconds: 0, nanoseconds: 0 }, interval: { seconds: 0, nanoseconds: 0 } },
  ],
  wrong: () => {
    const zero = { seconds: 0, nanoseconds: 0 };
    const seconds = pick<unknown>([...NOT_NUMBERS, ...NOT_INTEGERS, -1, 2 ** 53]);
    const nanoseconds = pick<unknown>([...NOT_NUMBERS, ...NOT_INTEGERS, -1, 1_000_000_000]);
    return [
      pick<unknown>([
        ...timerSpecOut.wrong(),
        { value: { seconds, nanoseconds: 0 }, interval: zero },
        { value: zero, interval: { seconds: 0, nanoseconds } },
      ]),
    ];
  },
};

/** A process or thread that is asked, and never hurt: ourselves, with signal 0. */
export const processId = integers(1, 2 ** 31 - 1, process.pid);

const NOT_SIGNALS = [
  ...NOT_NUMBERS,
  ...NOT_INTEGERS,
  'SIGNOPE',
  'sigterm',
  'toString',
  '__proto__',
  0,
  65,
  -1,
  2 ** 32 + 1,
];

export const signal: Unit = {
  right: () => ['SIGTERM'],
  wrong: () => [pick<unknown>(NOT_SIGNALS)],
};

export const unixAddress: Unit = {
  right: () => [{ path: '' }],
  wrong: () => [
    {
      path: pick<unknown>([
        undefined,
        ...NOT_NUMBERS.filter((value) => typeof value !== 'string'),
        'a'.repeat(108),
        'é'.repeat(54),
        `\0${'a'.repeat(108)}`,
        '/tmp/a\0b',
      ]),
    },
  ],
};

/** A Uint8Array of at most `size` bytes. */
export function atMost(size: number): Unit {
  const wrong = [
    ...NOT_BUFFERS.filter((value) => value !== undefined && value !== null),
    new Uint32Array(1),
    new Uint8Array(size + 1),
    Buffer.alloc(size * 2),
  ];
  return { right: () => [new Uint8Array(size)], wrong: () => [pick(wrong)] };
}

const newBatch = (): sys.MessageBatch =>
  new sys.MessageBatch({ count: 4, bytesPerMessage: 16, controlBytes: 64 });
const rightBatch = newBatch();
/** The batches that are none, and the one whose memory was taken away. */
const NOT_BATCHES: unknown[] = [
  undefined,
  ...NOT_NUMBERS,
  new Uint8Array(64),
  { count: 4, bytesPerMessage: 16, controlBytes: 0 },
  Object.create(sys.MessageBatch.prototype),
  Object.create(rightBatch),
  new Proxy(rightBatch, {}),
];

/** A batch of four messages. */
export const batch: Unit = {
  right: () => [rightBatch],
  wrong: () => [pick(NOT_BATCHES)],
};

export const batchOptions: Unit = {
  right: () => [{ bytesPerMessage: 16 }],
  wrong: () => {
    const wrong = pick<unknown>([...NOT_NUMBERS, ...NOT_INTEGERS, -1, 2 ** 31, 2 ** 32]);
    return [
      pick<unknown>([
        ...NOT_NUMBERS,
        { bytesPerMessage: pick([wrong, 0, 2 ** 24 + 1]) },
        { bytesPerMessage: 16, count: pick([wrong, 0, 1025]) },
        { bytesPerMessage: 16, controlBytes: pick([wrong, 65_537]) },
        { bytesPerMessage: 2 ** 24, count: 65 },
      ]),
    ];
  },
};

export const controlMessage: Unit = {
  right: () => [{ level: 1, type: 1, data: new Uint8Array(4) }],
  wrong: () => {
    const wrong = pick<unknown>([...NOT_NUMBERS, ...NOT_INTEGERS, -INT - 1, INT]);
    return [
      pick<unknown>([
        undefined,
        ...NOT_NUMBERS,
        { level: wrong, type: 1, data: new Uint8Array(4) },
        { level: 1, type: wrong, data: new Uint8Array(4) },
        { level: 1, type: 1, data: pick(NOT_BUFFERS) },
        { level: 1, type: 1, data: new Uint8Array(49 + random(1_000)) },
      ]),
    ];
  },
};

/** The text of an IPv4 address. */
export const ipText: Unit = {
  right: () => ['239.1.2.3'],
  wrong: () => [pick<unknown>([...NOT_NUMBERS, 3, '1.2.3', 'fe80::1%nosuchif', '1.2.3.4\0'])],
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
