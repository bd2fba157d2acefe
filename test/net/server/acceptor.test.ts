/**
 * What an acceptor does with each outcome of accept4(2), in one process: a test may give outcomes of
 * its own instead of the kernel's. The same with real shortages is in full-table.test.ts.
 */
import type { Socket } from 'node:net';
import { EventLoop } from '../../../src/loop/event-loop';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { Acceptor, type AcceptTrigger } from '../../../src/net/server/acceptor';
import { TcpServer, type TcpServerOptions } from '../../../src/net/server/tcp-server';
import { FIRST_REST_MS } from '../../../src/net/socket/shortage';
import * as constants from '../../../src/sys/constants';
import { errno, SystemError } from '../../../src/sys/errno';
import type * as ioCalls from '../../../src/sys/io';
import type * as socketCalls from '../../../src/sys/socket';
import { client, receive } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { watchedMask } from '../../support/fdinfo';
import { openFds } from '../../support/open-fds';
import { next, until } from '../../support/until';

/** Instead of accept4(2); `real` is the call itself. */
let answer: (real: () => number) => number;

jest.mock('../../../src/sys/socket', () => {
  const actual = jest.requireActual<typeof socketCalls>('../../../src/sys/socket');
  const accept4 = (fd: number, flags: number, address?: Uint8Array | null): number =>
    answer(() => actual.accept4(fd, flags, address));
  return { ...actual, accept4 };
});

/** Whether another thread takes what we give up: then there is no spare fd to be had. */
let isTaken = false;

jest.mock('../../../src/sys/io', () => {
  const actual = jest.requireActual<typeof ioCalls>('../../../src/sys/io');
  const eventfd = (value: number, flags: number): number =>
    isTaken ? -errno.EMFILE : actual.eventfd(value, flags);
  return { ...actual, eventfd };
});

expectNoFdLeaks();

const { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLONESHOT } = constants;
const ALWAYS = EPOLLERR | EPOLLHUP;
const MASKS: Record<Exclude<AcceptTrigger, 'exclusive'>, number> = {
  level: EPOLLIN | ALWAYS,
  edge: (EPOLLIN | ALWAYS | EPOLLET) >>> 0,
  oneshot: EPOLLIN | ALWAYS | EPOLLONESHOT,
};
const HOUR_MS = 3_600_000;
/** Connections taken, or failures met, in one round. */
const ROUND = 128;

let loop: EventLoop;
let server: TcpServer;
let errors: SystemError[];
let drops: string[];
/** How long each rest was to be. */
let rests: number[];
/** Rests are an hour, so that it is the test that ends them. */
let isEndless: boolean;

beforeEach(() => {
  answer = (real) => real();
  [errors, drops, rests, isEndless, isTaken] = [[], [], [], false, false];
  loop = new EventLoop({ waiter: 'libuv' });
  const schedule = loop.timers.schedule.bind(loop.timers);
  jest.spyOn(loop.timers, 'schedule').mockImplementation((timer, delayMs) => {
    rests.push(delayMs);
    schedule(timer, isEndless ? HOUR_MS : delayMs);
  });
});
afterEach(() => {
  server.destroy();
  loop.close();
  jest.restoreAllMocks();
});

type Code = keyof typeof errno;

/** Have the next calls fail with `codes`, and none after these. */
function failWith(...codes: Code[]): void {
  const left = [...codes];
  answer = (real) => {
    const code = left.shift();
    return code === undefined ? real() : -errno[code];
  };
}

const repeat = (count: number, code: Code): Code[] => new Array<Code>(count).fill(code);

/** The fd table is full: a call fails, and the one after it, with the spare fd, does not. */
function fillTable(code: Code): void {
  let count = 0;
  answer = (real) => {
    count += 1;
    return count % 2 === 1 ? -errno[code] : real();
  };
}

function serve(options: Partial<TcpServerOptions> = {}): void {
  server = new TcpServer({ port: 0, loop, ...options });
  server.on('connection', (connection) => connection.write('hello'));
  server.on('error', (error) => errors.push(error as SystemError));
  server.on('drop', ({ reason }) => drops.push(reason));
}

/** Whether this client is greeted; false if it is cut. */
const isGreeted = (peer: Socket): Promise<boolean> =>
  receive(peer, 5).then(
    () => true,
    () => false,
  );

const dial = async (): Promise<boolean> => isGreeted(await client(server.port));

/** A client that was served, whose leaving ends a rest. */
async function served(): Promise<Socket> {
  const peer = await client(server.port);
  expect(await isGreeted(peer)).toBe(true);
  return peer;
}

describe.each(['level', 'edge', 'oneshot'] as const)('%s-triggered', (acceptTrigger) => {
  test.each([
    'ECONNABORTED',
    'EINTR',
    'EPERM',
    'EPROTO',
    'ENETDOWN',
    'ENOPROTOOPT',
    'EHOSTUNREACH',
    'EOPNOTSUPP',
    'ENETUNREACH',
  ] as const)(
    '%s is the matter of one client: the next is taken in the same round',
    async (code) => {
      serve({ acceptTrigger });
      const rounds = jest.spyOn(Acceptor.prototype, 'onEvents');
      let takenIn = 0;
      server.once('connection', () => {
        takenIn = rounds.mock.calls.length;
      });
      failWith(...repeat(ROUND - 1, code));
      expect(await dial()).toBe(true);
      expect([takenIn, errors, rests]).toEqual([1, [], []]);
    },
  );

  test('a round of nothing else is a lasting error: the listener rests, and one error is told', async () => {
    serve({ acceptTrigger });
    failWith(...repeat(3 * ROUND, 'EPERM'));
    expect(await dial()).toBe(true);
    expect([rests, errors.map(({ code }) => code)]).toEqual([[10, 20, 40], ['EPERM']]);
  });

  test.each([
    ['EMFILE', 2],
    ['ENFILE', 2],
    ['ENOBUFS', 1],
    ['ENOMEM', 1],
  ] as const)(
    '%s: who waits waits on, unwatched; all are served after the rest',
    async (code, tries) => {
      serve({ acceptTrigger });
      const leaver = await served();
      isEndless = true;
      let calls = 0;
      answer = () => {
        calls += 1;
        return -errno[code];
      };
      const waiting = await Promise.all([client(server.port), client(server.port)]);
      await until(() => rests.length === 1);
      expect((watchedMask(loop, server.fd) as number) & EPOLLIN).toBe(0);
      // For want of fds a second one, with the spare fd.
      expect([calls, drops, server.connections.size]).toEqual([tries, [], 1]);
      expect(errors).toMatchObject([{ code, syscall: 'accept4', fd: server.fd }]);
      answer = (real) => real();
      leaver.destroy();
      expect(await Promise.all(waiting.map(isGreeted))).toEqual([true, true]);
      expect(watchedMask(loop, server.fd)).toBe(MASKS[acceptTrigger]);
      expect([rests.length, loop.timers.size, server.dropped]).toEqual([1, 0, 0]);
    },
  );

  test.each(['EMFILE', 'ENFILE'] as const)(
    '%s: who waits is cut with the spare fd, in one round, and it is there again after it',
    async (code) => {
      serve({ acceptTrigger });
      const leaver = await served();
      isEndless = true;
      for (const round of [1, 2]) {
        fillTable(code);
        expect(await Promise.all([dial(), dial(), dial()])).toEqual([false, false, false]);
        await until(() => rests.length === round);
        expect(drops).toEqual(new Array(3 * round).fill('noFds'));
        if (round === 1) {
          answer = (real) => real();
          leaver.destroy();
          await until(() => server.connections.size === 0);
        }
      }
      expect(errors.map(({ message }) => message)).toEqual([
        expect.stringMatching(`^accept4 ${code}: .*; clients turned away: [123]$`),
      ]);
    },
  );

  test('a flood: no more than a round at once, and all are taken', async () => {
    serve({ acceptTrigger });
    let taken = 0;
    const rounds: number[] = [];
    const { onEvents } = Acceptor.prototype;
    jest.spyOn(Acceptor.prototype, 'onEvents').mockImplementation(function (this: Acceptor, mask) {
      const before = taken;
      onEvents.call(this, mask);
      rounds.push(taken - before);
    });
    // Nobody is taken before all are there.
    answer = () => -errno.ENOMEM;
    const flood = await Promise.all(Array.from({ length: 300 }, () => client(server.port)));
    answer = (real) => {
      const fd = real();
      if (fd >= 0) taken += 1;
      return fd;
    };
    expect((await Promise.all(flood.map(isGreeted))).every(Boolean)).toBe(true);
    expect(Math.max(...rounds)).toBe(ROUND);
  });

  test('a listener of connection that throws costs neither its round nor the next one', async () => {
    serve({ acceptTrigger });
    const uncaught = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
    server.on('connection', () => {
      throw new Error('in a listener');
    });
    expect(await Promise.all([dial(), dial()])).toEqual([true, true]);
    expect(await dial()).toBe(true);
    expect(uncaught).toHaveBeenCalledTimes(3);
  });

  test('a listener of connection closes the server: nobody else is taken', async () => {
    serve({ acceptTrigger });
    isEndless = true;
    const leaver = await served();
    let calls = 0;
    answer = () => -errno.ENOMEM;
    const waiting = await Promise.all([client(server.port), client(server.port)]);
    await until(() => rests.length === 1);
    answer = (real) => {
      calls += 1;
      return real();
    };
    server.once('connection', () => server.close());
    leaver.destroy();
    const greeted = await Promise.all(waiting.map(isGreeted));
    expect([greeted.filter(Boolean).length, calls]).toEqual([1, 1]);
  });
});

test.each([
  ['close', () => server.close()],
  ['the end of the loop', () => loop.close()],
] as const)('%s ends the rest: no timer, no spare fd', async (_, end) => {
  serve();
  const events = (): number =>
    [...openFds().values()].filter((target) => target === 'anon_inode:[eventfd]').length;
  const before = events();
  isEndless = true;
  failWith('ENOMEM');
  await client(server.port);
  await until(() => rests.length === 1);
  const { fd } = server;
  end();
  expect([loop.timers.size, openFds().has(fd)]).toEqual([0, false]);
  expect(events()).toBeLessThan(before);
});

test('a listener of drop that throws, or closes the server, with the table full', async () => {
  serve();
  const thrown = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
  server.once('drop', () => {
    throw new Error('in a listener');
  });
  fillTable('EMFILE');
  expect(await dial()).toBe(false);
  await until(() => thrown.mock.calls.length === 1);
  server.once('drop', () => server.destroy());
  const closed = next(server, 'close');
  expect(await dial()).toBe(false);
  await closed;
  expect([drops.length, loop.timers.size]).toEqual([2, 0]);
});

test('one who was cut is a shortage, also if there is nobody else: the listener rests', async () => {
  serve();
  isEndless = true;
  failWith('EMFILE');
  expect(await dial()).toBe(false);
  await until(() => rests.length === 1);
  expect([drops, errors.length]).toEqual([['noFds'], 1]);
});

test('a spare fd that another thread took is there again after the rest', async () => {
  serve();
  const leaver = await served();
  isEndless = true;
  fillTable('EMFILE');
  isTaken = true;
  expect(await dial()).toBe(false);
  await until(() => rests.length === 1);
  isTaken = false;
  fillTable('EMFILE');
  leaver.destroy();
  expect(await dial()).toBe(false);
  expect(drops).toEqual(['noFds', 'noFds']);
});

test('a connection that cannot be watched: those behind it are left where they are', async () => {
  serve();
  isEndless = true;
  const leaver = await served();
  answer = () => -errno.ENOMEM;
  const waiting = await Promise.all([client(server.port), client(server.port)]);
  await until(() => rests.length === 1);
  let calls = 0;
  answer = (real) => {
    calls += 1;
    return real();
  };
  const add = jest.spyOn(loop, 'add').mockImplementation(() => {
    throw new SystemError('epoll_ctl', errno.ENOSPC);
  });
  leaver.destroy();
  const [lost, left] = waiting.map(isGreeted);
  expect(await lost).toBe(false);
  await until(() => rests.length === 2);
  expect([calls, server.connections.size]).toEqual([1, 0]);
  add.mockRestore();
  // Nobody is there who could leave: as if the hour had passed.
  server.onConnectionClose({} as TcpConnection);
  expect(await left).toBe(true);
});

test('a connection that was taken makes the next rest a short one again', async () => {
  serve();
  failWith('ENOMEM', 'ENOMEM', 'ENOMEM');
  expect(await dial()).toBe(true);
  failWith('ENOMEM');
  expect(await dial()).toBe(true);
  expect(rests).toEqual([10, 20, 40, FIRST_REST_MS]);
});

test('a shutdown takes those who wait, whatever happens to some, and turns away whom it must', async () => {
  serve();
  isEndless = true;
  answer = () => -errno.ENOMEM;
  const waiting = await Promise.all([
    client(server.port),
    client(server.port),
    client(server.port),
  ]);
  await until(() => rests.length > 0);
  // The second one meets the full table, and gets the spare fd.
  const script: (Code | null)[] = ['ECONNABORTED', null, 'EINTR', 'EMFILE', null, 'EPROTO', null];
  answer = (real) => {
    const code = script.shift() ?? null;
    return code === null ? real() : -errno[code];
  };
  const done = server.shutdown({ deadlineMs: HOUR_MS });
  const greeted = await Promise.all(waiting.map(isGreeted));
  expect([greeted.filter(Boolean).length, drops]).toEqual([2, ['noFds']]);
  for (const peer of waiting) peer.destroy();
  await done;
});

test('a shutdown whose listener of connection closes the server takes nobody else', async () => {
  serve();
  isEndless = true;
  answer = () => -errno.ENOMEM;
  const waiting = await Promise.all([client(server.port), client(server.port)]);
  await until(() => rests.length > 0);
  let calls = 0;
  answer = (real) => {
    calls += 1;
    return real();
  };
  server.once('connection', () => server.close());
  const done = server.shutdown({ deadlineMs: HOUR_MS });
  const greeted = await Promise.all(waiting.map(isGreeted));
  expect([greeted.filter(Boolean).length, calls]).toEqual([1, 1]);
  for (const peer of waiting) peer.destroy();
  await done;
});
