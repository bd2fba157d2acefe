/** When connections are cut, and when not: each deadline, under each trigger and in each state. */

import { deadlinesOf } from '../../../src/net/connection/deadlines';
import type { ConnectionOptions } from '../../../src/net/connection/options';
import { TcpConnection } from '../../../src/net/connection/tcp-connection';
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
} from '../../../src/sys/socket';
import { block } from '../../support/block';
import { client } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater } from '../../support/fds';
import { next, until } from '../../support/until';
import { clog, endOf, ends, loop, opened, send } from './deadline-rig';

expectNoFdLeaks();
jest.setTimeout(120_000);

const { AF_INET, MSG_OOB, SHUT_WR, SOCK_CLOEXEC, SOCK_STREAM } = constants;
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
