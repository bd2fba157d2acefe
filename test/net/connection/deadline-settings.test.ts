/** Deadlines that are set on one connection, on thousands, and on one that is being made. */
import { createHook } from 'node:async_hooks';
import { connect } from '../../../src/net/client/connect';
import type { ConnectionOptions } from '../../../src/net/connection/options';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { encodeAddress } from '../../../src/sys/address';
import * as constants from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { connect as connectSocket, socket } from '../../../src/sys/socket';
import { block } from '../../support/block';
import { client } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater } from '../../support/fds';
import { until } from '../../support/until';
import { clog, endOf, ends, loop, opened, send } from './deadline-rig';

expectNoFdLeaks();
jest.setTimeout(120_000);

const { AF_INET, SOCK_CLOEXEC, SOCK_STREAM } = constants;

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
