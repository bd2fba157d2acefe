/** One who floods beside 99 who ask: the flood gets its quantum in turn, and no more. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { EventLoop } from '../../src/loop/event-loop';
import type { TcpConnection } from '../../src/net/connection/tcp-connection';
import { TcpServer } from '../../src/net/server/tcp-server';
import { UnixServer } from '../../src/net/server/unix-server';
import * as c from '../../src/sys/constants';
import { setNonBlocking, write } from '../../src/sys/io';
import { connect, socket } from '../../src/sys/socket';
import { encodeUnixAddress } from '../../src/sys/unix-address';
import { Child } from '../support/child';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater } from '../support/fds';
import { makeFolder } from '../support/folder';
import { until } from '../support/until';

expectNoFdLeaks();

const PINGERS = 99;
const ROUNDS = 20;
const QUANTUM_BYTES = 64 * 1024;
const PING = Buffer.from('ping');
const FLOOD = Buffer.alloc(64 * 1024, 'x');

const loops: EventLoop[] = [];
afterEach(() => {
  for (const loop of loops.splice(0)) loop.close();
});

describe.each(['level', 'edge'] as const)('%s-triggered', (trigger) => {
  test('between a ping and its answer the flood has no more than a few quanta', async () => {
    const path = join(makeFolder(), 'flood');
    const loop = new EventLoop();
    loops.push(loop);
    const waiting = new Map<TcpConnection, number>();
    let flooder: TcpConnection | null = null;
    let peer = -1;
    let flooded = 0;
    let answers = 0;
    let most = 0;
    // As fast as it is read, on any machine: what was taken is replaced at once.
    const refill = (): void => {
      while (write(peer, FLOOD) > 0);
    };
    const server = new UnixServer({
      path,
      loop,
      trigger,
      readQuantumBytes: QUANTUM_BYTES,
      handler: {
        onData(connection, chunk) {
          if (flooder === null && chunk[0] === FLOOD[0]) flooder = connection;
          if (connection !== flooder) {
            answers += 1;
            most = Math.max(most, flooded - (waiting.get(connection) ?? 0));
            waiting.delete(connection);
            return;
          }
          flooded += chunk.length;
          // Never the end of it, if it were not for the quantum: then all tests would hang.
          if (flooded > 1024 ** 3) return connection.destroy();
          refill();
        },
      },
    });
    const dial = (): number => {
      const fd = closeLater(socket(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0));
      expect(connect(fd, encodeUnixAddress({ path }))).toBe(0);
      setNonBlocking(fd);
      return fd;
    };
    peer = dial();
    refill();
    await until(() => flooder !== null);
    const pingers = Array.from({ length: PINGERS }, dial);
    await until(() => server.connections.size === PINGERS + 1);
    for (let round = 1; round <= ROUNDS; round += 1) {
      // All pings are there when this is done: no turn of the loop is between.
      for (const fd of pingers) expect(write(fd, PING)).toBe(PING.length);
      for (const connection of server.connections) waiting.set(connection, flooded);
      await until(() => answers === round * PINGERS);
    }
    // A quantum before, one behind, and a read more for each.
    expect(most).toBeLessThanOrEqual(6 * QUANTUM_BYTES);
    expect(flooded).toBeGreaterThan(ROUNDS * QUANTUM_BYTES);
    server.destroy();
  }, 60_000);

  test('over TCP, with the flood of another process: all get 20 answers', async () => {
    const loop = new EventLoop();
    loops.push(loop);
    let flooded = 0;
    let starved = false;
    const server = new TcpServer({ port: 0, loop, trigger, readQuantumBytes: QUANTUM_BYTES });
    server.on('connection', (connection) =>
      connection.on('data', (chunk) => {
        if (chunk[0] !== FLOOD[0]) return void connection.write(chunk);
        flooded += chunk.length;
        if (flooded < 8 * 1024 ** 3) return;
        starved = true;
        connection.destroy();
      }),
    );
    const script = `
      const socket = require('node:net').connect(${server.port}, '127.0.0.1');
      const block = Buffer.alloc(1 << 20, 'x');
      const flood = () => { while (socket.write(block)); };
      socket.on('connect', flood).on('drain', flood).on('error', () => {});`;
    const child = new Child(process.execPath, ['-e', script]);
    await until(() => flooded > 0, 60_000);
    const peers = await Promise.all(Array.from({ length: PINGERS }, () => client(server.port)));
    for (let round = 0; round < ROUNDS; round += 1) {
      const ping = randomBytes(8).map((byte) => (byte === FLOOD[0] ? 0 : byte));
      for (const peer of peers) peer.write(ping);
      const answers = await Promise.all(peers.map((peer) => receive(peer, ping.length)));
      expect(answers.every((answer) => answer.equals(ping))).toBe(true);
    }
    expect(starved).toBe(false);
    child.kill('SIGKILL');
    await child.exit();
    server.destroy();
  }, 120_000);
});
