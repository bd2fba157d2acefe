/** When connections are cut, and when not: each deadline, under each trigger and in each state. */
import { createHook } from 'node:async_hooks';
import { defaultLoop } from '../../../src/loop/default-loop';
import type { EventLoop } from '../../../src/loop/event-loop';
import { connect } from '../../../src/net/client/connect';
import { TcpConnection } from '../../../src/net/connection/connection';
import { deadlinesOf } from '../../../src/net/connection/deadlines';
import {
  type ConnectionOptions,
  connectionOptionsSchema,
  connectionSettings,
} from '../../../src/net/connection/options';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { encodeAddress } from '../../../src/sys/address';
import * as constants from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { read, write } from '../../../src/sys/io';
import {
  connect as connectSocket,
  send as sendSocket,
  shutdown,
  socket,
  socketpair,
} from '../../../src/sys/socket';
import { block } from '../../support/block';
import { client } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater } from '../../support/fds';
import { next, until } from '../../support/until';

expectNoFdLeaks();
jest.setTimeout(120_000);

const { AF_INET, AF_UNIX, MSG_OOB, SHUT_WR, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;

let loop: EventLoop;
/** The connections that were closed, in that order, and why. */
let ends: { connection: TcpConnection; error: Error | undefined; at: number }[];
const open = new Set<TcpConnection>();

beforeEach(() => {
  loop = defaultLoop();
  ends = [];
});
afterEach(() => {
  for (const connection of open) connection.destroy();
});

/** One end of a pair as a connection; the other is the fd of its peer. */
function opened(options: ConnectionOptions<TcpConnection> = {}): {
  connection: TcpConnection;
  peer: number;
} {
  const fds = new Int32Array(2);
  unwrap(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 'socketpair');
  const owner = { onConnectionClose: (closed: TcpConnection) => void open.delete(closed) };
  const checked = connectionOptionsSchema.parse(options);
  const settings = connectionSettings<TcpConnection>(checked, { loop, owner });
  const connection = new TcpConnection(fds[0] as number, settings);
  open.add(connection);
  connection.on('close', (error) => ends.push({ connection, error, at: performance.now() }));
  return { connection, peer: closeLater(fds[1] as number) };
}

/** Wait until `connection` is closed, and return the message of why. */
async function endOf(connection: TcpConnection): Promise<string> {
  await until(() => connection.closed, 100_000);
  const error = ends.find((end) => end.connection === connection)?.error;
  expect(error).toMatchObject({ name: 'SystemError', code: 'ETIMEDOUT', errno: -110 });
  return error?.message ?? '';
}

/** More than the kernel takes. */
function clog(connection: TcpConnection): void {
  while (connection.queuedBytes === 0) connection.write(Buffer.alloc(256 * 1024));
}

/** Send `count` bytes as the peer. */
function send(peer: number, count: number): void {
  expect(write(peer, Buffer.alloc(count, 'x'))).toBe(count);
}

/** States in which a deadline has to hold. */
const STATES: Record<string, (connection: TcpConnection, peer: number) => Promise<void>> = {
  flowing: async () => {},
  paused: async (connection) => connection.pause(),
  corked: async (connection) => connection.cork(),
  'half-open': async (connection, peer) => {
    const ended = next(connection, 'end');
    shutdown(peer, SHUT_WR);
    await ended;
  },
};

describe.each(['level', 'edge'] as const)('%s-triggered', (trigger) => {
  describe.each(Object.keys(STATES))('%s', (state) => {
    const enter = STATES[state] as (connection: TcpConnection, peer: number) => Promise<void>;

    test('a connection without bytes is cut at idleTimeoutMs', async () => {
      const { connection, peer } = opened({ trigger, allowHalfOpen: true });
      await enter(connection, peer);
      connection.setIdleTimeout(60);
      expect(await endOf(connection)).toBe('read ETIMEDOUT: no bytes for 60 ms (idleTimeoutMs)');
    });

    test('a peer that does not read is cut at writeTimeoutMs', async () => {
      const { connection, peer } = opened({ trigger, allowHalfOpen: true });
      await enter(connection, peer);
      connection.setWriteTimeout(60);
      clog(connection);
      expect(await endOf(connection)).toBe(
        'write ETIMEDOUT: a write has waited for 60 ms, the peer does not read (writeTimeoutMs)',
      );
    });

    test('a connection is cut at lifetimeMs', async () => {
      const { connection, peer } = opened({ trigger, allowHalfOpen: true });
      await enter(connection, peer);
      connection.setLifetime(60);
      expect(await endOf(connection)).toBe(
        'read ETIMEDOUT: the connection is open for 60 ms (lifetimeMs)',
      );
    });
  });

  test('a connection that is never idle, mostly in the ready list, is cut at lifetimeMs', async () => {
    const { connection, peer } = opened({ trigger, lifetimeMs: 100, readQuantumBytes: 1 });
    const block = Buffer.alloc(100_000);
    write(peer, block);
    connection.on('data', () => write(peer, block));
    expect(await endOf(connection)).toContain('(lifetimeMs)');
    expect(connection.bytesRead).toBeGreaterThan(0);
  });

  test('bytes that this thread was too late to read save their connection', async () => {
    const { connection, peer } = opened({ trigger, idleTimeoutMs: 60 });
    const log: string[] = [];
    connection.on('data', () => log.push('data'));
    connection.on('close', () => log.push('close'));
    send(peer, 1);
    block(150);
    // The timer comes first.
    connection.onTimer();
    await endOf(connection);
    expect(log).toEqual(['data', 'close']);
  });

  test('room that this thread was too late to use saves a write', async () => {
    const { connection, peer } = opened({ trigger, writeTimeoutMs: 60 });
    clog(connection);
    let written = false;
    connection.write('last', (error) => {
      written = error === undefined;
    });
    const sink = Buffer.alloc(1024 * 1024);
    while (read(peer, sink) > 0);
    block(150);
    connection.onTimer();
    expect(ends).toEqual([]);
    // The next turns send what is left, with the peer reading on.
    await until(() => {
      while (read(peer, sink) > 0);
      return written;
    });
    expect(ends).toEqual([]);
  });
});

describe('nobody is cut before the time has passed', () => {
  const LIMIT_MS = 80;
  /** Activity is noted in whole milliseconds. */
  const ROUNDING_MS = 1;

  /** Wait for the end, and expect that it came no sooner than the limit after `from`. */
  async function endsLate(connection: TcpConnection, from: number): Promise<void> {
    await endOf(connection);
    const at = ends.find((end) => end.connection === connection)?.at ?? 0;
    expect(at - from).toBeGreaterThanOrEqual(LIMIT_MS - ROUNDING_MS);
  }

  test.each<[string, ConnectionOptions<TcpConnection>]>([
    ['idleTimeoutMs', { idleTimeoutMs: LIMIT_MS }],
    ['lifetimeMs', { lifetimeMs: LIMIT_MS }],
    ['writeTimeoutMs', { writeTimeoutMs: LIMIT_MS }],
    ['minReadRate', { minReadRate: { bytesPerSecond: 1, windowMs: LIMIT_MS } }],
  ])('%s, from the opening', async (name, options) => {
    const from = performance.now();
    const { connection } = opened(options);
    if (name === 'writeTimeoutMs') clog(connection);
    await endsLate(connection, from);
  });

  test.each<[string, (connection: TcpConnection) => void]>([
    ['setIdleTimeout', (connection) => connection.setIdleTimeout(LIMIT_MS)],
    ['setLifetime', (connection) => connection.setLifetime(LIMIT_MS)],
    [
      'setMinReadRate',
      (connection) => connection.setMinReadRate({ bytesPerSecond: 1, windowMs: LIMIT_MS }),
    ],
  ])('%s, from when it was called', async (_, set) => {
    const { connection } = opened();
    block(LIMIT_MS + 20);
    const from = performance.now();
    set(connection);
    await endsLate(connection, from);
  });

  test('minReadRate, from the end of a pause', async () => {
    const minReadRate = { bytesPerSecond: 1, windowMs: LIMIT_MS };
    const { connection } = opened({ minReadRate });
    connection.pause();
    block(LIMIT_MS - 20);
    const from = performance.now();
    connection.resume();
    await endsLate(connection, from);
  });

  test.each([
    ['data', 0],
    ['urgent', MSG_OOB],
    ['sent', 0],
  ] as const)('the idle time begins anew with each byte: %s', async (what, flags) => {
    const server = new TcpServer({ port: 0, loop, urgentData: true });
    const accepted = next<[TcpConnection]>(server, 'connection');
    const peer = closeLater(unwrap(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket'));
    unwrap(connectSocket(peer, encodeAddress(server.address)), 'connect');
    const [connection] = await accepted;
    // A later time can be told from the opening's.
    block(5);
    const from = Math.floor(performance.now());
    if (what === 'sent') {
      connection.write('x');
    } else {
      const told = next(connection, what);
      unwrap(sendSocket(peer, Buffer.from('!'), 1, flags), 'send');
      await told;
    }
    expect(connection.lastActivity).toBeGreaterThanOrEqual(from);
    server.destroy();
  });
});

describe.each(['level', 'edge'] as const)(
  'a batch longer than the limit, %s-triggered',
  (trigger) => {
    const LIMIT_MS = 60;

    test('who is served at its end has all of the time from then on', async () => {
      const all = Array.from({ length: 4 }, () => opened({ trigger }));
      const served = new Map<TcpConnection, number>();
      for (const { connection } of all) {
        connection.on('data', () => {
          served.set(connection, performance.now());
          if (served.size < all.length) block(LIMIT_MS + 20);
        });
      }
      const fired = jest.spyOn(TcpConnection.prototype, 'onTimer');
      const starter = opened({ trigger });
      // From within a turn, so that the next batch has all of them.
      starter.connection.on('data', () => {
        for (const { connection, peer } of all) {
          send(peer, 1);
          deadlinesOf(loop).setIdle(connection, LIMIT_MS);
        }
      });
      send(starter.peer, 1);
      for (const { connection } of all)
        expect(await endOf(connection)).toContain('(idleTimeoutMs)');
      const waits = ends.map(({ connection, at }) => at - (served.get(connection) ?? Infinity));
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(LIMIT_MS - 1);
      // The timer was set again for what was left, not for each tick of it.
      expect(fired.mock.calls.length).toBeLessThanOrEqual(4 * all.length);
      fired.mockRestore();
    });

    test('who was served at its end is no prey for a sweep, in the batch and after it', async () => {
      const server = new TcpServer({ port: 0, loop, trigger });
      const accepted = next<[TcpConnection]>(server, 'connection');
      const peer = await client(server.port);
      const [connection] = await accepted;
      const counts: number[] = [];
      let servedAt = 0;
      let silentMs = 0;
      connection.on('data', () => {
        block(LIMIT_MS + 20);
        servedAt = performance.now();
        counts.push(server.sweep(LIMIT_MS));
        setImmediate(() => {
          counts.push(server.sweep(LIMIT_MS));
          silentMs = performance.now() - servedAt;
        });
      });
      peer.write('x');
      await until(() => counts.length === 2);
      expect(counts).toEqual([0, silentMs < LIMIT_MS ? 0 : expect.any(Number)]);
      peer.destroy();
      server.destroy();
    });
  },
);

describe('the read rate', () => {
  const minReadRate = { bytesPerSecond: 1_000, windowMs: 100 };

  test('a peer that owes bytes and sends too few is cut, a faster one not in this window', async () => {
    const fast = opened({ minReadRate });
    const slow = opened({ minReadRate });
    send(fast.peer, 100);
    send(slow.peer, 99);
    expect(await endOf(slow.connection)).toBe(
      'read ETIMEDOUT: 99 bytes in 100 ms, not 100 (minReadRate)',
    );
    expect(await endOf(fast.connection)).toBe(
      'read ETIMEDOUT: 0 bytes in 100 ms, not 100 (minReadRate)',
    );
    expect(ends.map(({ connection }) => connection)).toEqual([slow.connection, fast.connection]);
  });

  test('nobody is cut whom we do not read, or who has nothing more to say', async () => {
    const paused = opened({ minReadRate });
    const ended = opened({ minReadRate, allowHalfOpen: true });
    const resting = opened({ minReadRate });
    const rested = opened({ minReadRate: { bytesPerSecond: 1_000, windowMs: 100 } });
    const freed = opened({ minReadRate });
    paused.connection.pause();
    send(paused.peer, 1);
    resting.connection.expectBytes(false);
    // Neither the bytes of the last message nor a pause make it owe some.
    send(rested.peer, 5);
    await until(() => rested.connection.bytesRead === 5);
    rested.connection.expectBytes(false);
    rested.connection.pause();
    rested.connection.resume();
    freed.connection.setMinReadRate(null);
    shutdown(ended.peer, SHUT_WR);
    await next(ended.connection, 'end');
    // Three in turn are cut: by then the others have had their time, which began before.
    for (let round = 0; round < 3; round += 1) {
      expect(await endOf(opened({ minReadRate }).connection)).toContain('(minReadRate)');
    }
    expect(ends).toHaveLength(3);
    // Again it is the peer who owes.
    paused.connection.resume();
    resting.connection.expectBytes(true);
    expect(await endOf(paused.connection)).toContain('(minReadRate)');
    expect(await endOf(resting.connection)).toContain('0 bytes in 100 ms');
    expect([ended, freed, rested].map(({ connection }) => connection.closed)).toEqual([
      false,
      false,
      false,
    ]);
  });

  test('who owes bytes does not owe them later for being told so again', async () => {
    const { connection } = opened({ minReadRate });
    await until(() => {
      connection.expectBytes(true);
      return connection.closed;
    }, 20_000);
    expect(await endOf(connection)).toContain('(minReadRate)');
  });

  test('after a whole message, the first byte of the next one begins to count', async () => {
    const { connection, peer } = opened({ minReadRate });
    connection.expectBytes(false);
    send(peer, 1);
    expect(await endOf(connection)).toContain('(minReadRate)');
    expect(connection.bytesRead).toBe(1);
  });

  test('bytes that this thread was too late to read count', async () => {
    const { connection, peer } = opened({ minReadRate });
    await new Promise(setImmediate);
    send(peer, 100);
    block(250);
    // Cut in the next window, for which nothing came.
    expect(await endOf(connection)).toContain('0 bytes in 100 ms');
    expect(connection.bytesRead).toBe(100);
  });
});

describe('setting them on one connection', () => {
  test('each can be set, and switched off again', async () => {
    const { connection } = opened({ idleTimeoutMs: 50, lifetimeMs: 50 });
    connection.setIdleTimeout(0);
    connection.setLifetime(0);
    connection.setMinReadRate({ bytesPerSecond: 1, windowMs: 50 });
    connection.setMinReadRate(null);
    for (const set of ['setIdleTimeout', 'setLifetime'] as const) {
      const { connection: other } = opened();
      other[set](60);
      expect(await endOf(other)).toContain('60 ms');
    }
    const { connection: slow } = opened();
    slow.setMinReadRate({ bytesPerSecond: 10, windowMs: 60 });
    expect(await endOf(slow)).toContain('(minReadRate)');
    expect(connection.closed).toBe(false);
  });

  test('a slot that had deadlines leaves none to the next connection', async () => {
    const limits = { idleTimeoutMs: 50, lifetimeMs: 50, writeTimeoutMs: 50 };
    const former = opened({ ...limits, minReadRate: { bytesPerSecond: 1, windowMs: 50 } });
    const { slot } = former.connection;
    former.connection.destroy();
    const { connection } = opened();
    expect([connection.slot, connection.timerIndex, loop.stats().timers]).toEqual([slot, 0, 0]);
    await endOf(opened({ idleTimeoutMs: 100 }).connection);
    expect(connection.closed).toBe(false);
  });

  test.each([
    ['setIdleTimeout', -1],
    ['setWriteTimeout', Number.NaN],
    ['setLifetime', 2 ** 31],
    ['setLifetime', '1'],
    ['setMinReadRate', { bytesPerSecond: 0 }],
    ['setMinReadRate', { bytesPerSecond: 1, windowMs: 0 }],
    ['setMinReadRate', 5],
  ] as const)('%s(%p) is refused', (set, value) => {
    const { connection } = opened();
    expect(() => (connection[set] as (value: unknown) => void)(value)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_(OUT_OF_RANGE|INVALID_ARG)/) }),
    );
    connection.destroy();
    (connection[set] as (value: unknown) => void)(set === 'setMinReadRate' ? null : 5);
    expect(loop.stats().timers).toBe(0);
  });

  test.each([
    [{ lifetimeMs: -1 }, 'lifetimeMs'],
    [{ minReadRate: { bytesPerSecond: -1 } }, 'minReadRate.bytesPerSecond'],
    [{ minReadRate: { bytesPerSecond: 1, windowMs: Infinity } }, 'minReadRate.windowMs'],
  ])('the option %p is refused by name', (options, name) => {
    expect(() => new TcpServer({ port: 0, ...options })).toThrow(`option "${name}"`);
  });
});

test('thousands of connections: one place on the wheel each, no timer of Node, cut in order', async () => {
  const COUNT = 4_000;
  let timeouts = 0;
  const hook = createHook({
    init: (_id, type) => {
      if (type === 'Timeout') timeouts += 1;
    },
  });
  // So far away that all are there before the first is due.
  const all = Array.from({ length: COUNT }, () => opened({ idleTimeoutMs: 600_000 }).connection);
  expect(loop.stats().timers).toBe(COUNT);
  hook.enable();
  // The first one is the soonest, and so the only one that sets an alarm.
  all.forEach((connection, index) => {
    connection.setIdleTimeout(100 + Math.floor(index / 4));
  });
  expect([loop.stats().timers, loop.timers.capacity <= 2 * 4_096]).toEqual([COUNT, true]);
  expect(timeouts).toBeLessThan(COUNT / 10);
  hook.disable();
  await until(() => ends.length === COUNT, 100_000);
  // Nobody is cut before one that was due two ticks earlier.
  const order = ends.map(({ connection }) => all.indexOf(connection));
  const late = order.filter(
    (index, place) => place > 0 && index < (order[place - 1] as number) - 80,
  );
  expect(late).toEqual([]);
  expect(ends.filter(({ error }) => error === undefined)).toEqual([]);
  expect(loop.stats()).toMatchObject({ timers: 0, watched: 0 });
});

describe('a connection that is being made', () => {
  test('is cut on the wheel, and not if this thread was too late to see it succeed', async () => {
    const server = new TcpServer({ port: 0, loop });
    const pending = connect({ port: server.port, loop, connectTimeoutMs: 50 });
    expect(loop.stats().timers).toBe(1);
    await new Promise(setImmediate);
    block(150);
    const connection = await pending;
    expect(loop.stats().timers).toBe(0);
    connection.destroy();
    server.destroy();
  });

  test('is refused, and not cut, if this thread was too late to see that', async () => {
    const server = new TcpServer({ port: 0, loop });
    const { port } = server;
    server.destroy();
    const schedule = jest.spyOn(loop.timers, 'schedule');
    const pending = connect({ port, loop, connectTimeoutMs: 600_000 });
    const failed = expect(pending).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const [attempt] = schedule.mock.calls[0] ?? [];
    schedule.mockRestore();
    // On this machine the refusal is there; the timer comes before the event.
    attempt?.onTimer();
    await failed;
    expect(loop.stats()).toMatchObject({ timers: 0, watched: 0 });
  });
});

test('a sweep cuts those who are idle for so long, and leaves the others', async () => {
  const server = new TcpServer({ port: 0, loop });
  const connections: TcpConnection[] = [];
  server.on('connection', (connection) => {
    connections.push(connection);
    connection.on('close', (error) => ends.push({ connection, error, at: performance.now() }));
  });
  await client(server.port);
  await until(() => connections.length === 1);
  const late = closeLater(unwrap(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket'));
  unwrap(connectSocket(late, encodeAddress(server.address)), 'connect');
  await until(() => connections.length === 2);
  expect([server.sweep(600_000), server.connections.size]).toEqual([0, 2]);
  const [first, second] = connections as [TcpConnection, TcpConnection];
  // What it has sent waits in the kernel: a sweep does not take it for silent.
  send(late, 1);
  block(30);
  const count = server.sweep(25);
  expect([count, first.closed, second.closed]).toEqual([1, true, false]);
  expect(await endOf(first)).toBe('read ETIMEDOUT: no bytes for 25 ms (sweep)');
  expect(() => server.sweep(-1)).toThrow(/"idleMs"/);
  server.destroy();
});

test.each<[string, ConnectionOptions<TcpConnection>]>([
  ['idleTimeoutMs', { idleTimeoutMs: 60 }],
  ['writeTimeoutMs', { writeTimeoutMs: 60 }],
  ['lifetimeMs', { lifetimeMs: 60 }],
  ['minReadRate', { minReadRate: { bytesPerSecond: 1_000, windowMs: 60 } }],
])('of several deadlines the first one counts: %s', async (name, first) => {
  const longMs = 600_000;
  const { connection } = opened({
    idleTimeoutMs: longMs,
    writeTimeoutMs: longMs,
    lifetimeMs: longMs,
    minReadRate: { bytesPerSecond: 1, windowMs: longMs },
    ...first,
  });
  clog(connection);
  expect(await endOf(connection)).toContain(`(${name})`);
});

test('all deadlines at once close a connection once', async () => {
  const { connection } = opened({ idleTimeoutMs: 60, lifetimeMs: 60, writeTimeoutMs: 60 });
  clog(connection);
  await endOf(connection);
  expect([ends.length, loop.stats().timers]).toEqual([1, 0]);
});
