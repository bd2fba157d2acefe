/** The read path: half-closes, pauses, urgent data, turns. */
import { randomBytes } from 'node:crypto';
import { EventLoop } from '../../../src/loop/event-loop';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { UnixServer } from '../../../src/net/server/unix-server';
import { AF_UNIX, MSG_OOB, SHUT_WR, SOCK_CLOEXEC, SOCK_STREAM } from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { setNonBlocking, write } from '../../../src/sys/io';
import { connect, recv, send, shutdown, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { clog, connectedFd } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater } from '../../support/fds';
import { next, until } from '../../support/until';
import { record, someTurns } from './reading-rig';

expectNoFdLeaks();

const loops: EventLoop[] = [];

afterEach(() => {
  jest.restoreAllMocks();
  for (const loop of loops.splice(0)) loop.close();
});

describe.each(['level', 'edge'] as const)('%s-triggered', (trigger) => {
  test('we end, and go on reading until the peer ends', async () => {
    const { connection, fd } = await connectedFd({ trigger });
    const log = record(connection);
    connection.end('bye');
    const buffer = Buffer.alloc(16);
    await until(() => recv(fd, buffer, 16, 0) === 3);
    await until(() => recv(fd, buffer, 16, 0) === 0);
    for (const word of ['one', 'two']) {
      write(fd, Buffer.from(word));
      await until(() => log.includes(`data ${word}`));
    }
    expect(connection.closed).toBe(false);
    shutdown(fd, SHUT_WR);
    await until(() => connection.closed);
    expect(log).toEqual(['data one', 'data two', 'end', 'close undefined']);
  });

  test.each(['paused', 'half closed by the peer', 'paused, then half closed', 'queueing'])(
    'the loop comes to rest while a connection is %s',
    async (state) => {
      const loop = new EventLoop({ waiter: 'libuv' });
      loops.push(loop);
      const { connection, fd } = await connectedFd({ trigger, loop, allowHalfOpen: true });
      if (state.startsWith('paused')) {
        connection.pause();
        write(fd, Buffer.from('unread'));
      }
      if (state.endsWith('half closed') || state.startsWith('half')) shutdown(fd, SHUT_WR);
      if (state.startsWith('half')) await next(connection, 'end');
      if (state === 'queueing') clog(connection);
      await until(async () => {
        const { events } = loop.stats();
        await someTurns();
        return loop.stats().events === events;
      });
      expect(connection.closed).toBe(false);
    },
  );

  test('the peer ends, and we go on writing', async () => {
    const { connection, fd } = await connectedFd({ trigger, allowHalfOpen: true });
    const log = record(connection);
    shutdown(fd, SHUT_WR);
    await until(() => log.length === 1);
    const sent = clog(connection);
    connection.end('tail');
    const buffer = Buffer.allocUnsafe(1_000_000);
    let [received, count, tail] = [0, 1, ''];
    await until(() => {
      count = recv(fd, buffer, buffer.length, 0);
      if (count > 0)
        tail = (tail + buffer.toString('latin1', Math.max(0, count - 4), count)).slice(-4);
      received += Math.max(count, 0);
      return count === 0;
    });
    expect([received, tail]).toEqual([sent + 4, 'tail']);
    await until(() => connection.closed);
    expect(log).toEqual(['end', 'close undefined']);
  });

  test('where there is both room and bytes, first the queue is sent, then the bytes are told', async () => {
    // Of a unix socket, because what is read there is room on the other side at once.
    const server = new UnixServer({
      path: `\0epoll-ffi-reading-${process.pid}-${trigger}`,
      trigger,
    });
    const accepted = next<[TcpConnection]>(server, 'connection');
    const fd = closeLater(unwrap(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket'));
    unwrap(connect(fd, encodeUnixAddress({ path: server.path })), 'connect');
    setNonBlocking(fd);
    const [connection] = await accepted;
    clog(connection);
    await someTurns();
    const { bytesWritten } = connection;
    const sent: number[] = [];
    connection.on('data', () => sent.push(connection.bytesWritten - bytesWritten));
    // In one turn, so that one event tells of both.
    const sink = Buffer.allocUnsafe(1_000_000);
    while (recv(fd, sink, sink.length, 0) > 0);
    write(fd, Buffer.from('x'));
    await until(() => sent.length === 1);
    expect(sent[0]).toBeGreaterThan(0);
    server.destroy();
  });

  test('urgent data: no other byte is lost, and the loop comes to rest', async () => {
    const loop = new EventLoop();
    loops.push(loop);
    const { connection, fd } = await connectedFd({ trigger, loop });
    let text = '';
    connection.on('data', (chunk) => {
      // The kernel knows of one urgent byte; one that is followed by another too soon is a byte
      // like any other.
      text += String(chunk).replaceAll('!', '');
    });
    for (let round = 0; round < 50; round += 1) {
      send(fd, Buffer.from('a'), 1, 0);
      send(fd, Buffer.from('!'), 1, MSG_OOB);
      send(fd, Buffer.from('b'), 1, 0);
    }
    await until(() => text.length === 100);
    expect(text).toBe('ab'.repeat(50));
    // The urgent mark still stands at a paused, a resumed and an idle connection.
    connection.pause();
    connection.resume();
    await until(async () => {
      const { events } = loop.stats();
      await someTurns();
      return loop.stats().events === events;
    });
    send(fd, Buffer.from('end'), 3, 0);
    await until(() => text.endsWith('end'));
  });

  test('urgent data that is asked for is told, and no byte beside it is lost', async () => {
    const loop = new EventLoop();
    loops.push(loop);
    const { connection, fd } = await connectedFd({ trigger, loop, urgentData: true });
    const told: number[] = [];
    let text = '';
    connection.on('urgent', (byte) => told.push(byte));
    connection.on('data', (chunk) => {
      text += chunk;
    });
    for (let round = 0; round < 50; round += 1) {
      send(fd, Buffer.from('a'), 1, 0);
      send(fd, Buffer.of(round), 1, MSG_OOB);
      send(fd, Buffer.from('b'), 1, 0);
      // The kernel keeps one; the next would make it a byte like any other.
      await until(() => told.length === round + 1);
    }
    await until(() => text.length === 100);
    expect(text).toBe('ab'.repeat(50));
    expect(told).toEqual(Array.from({ length: 50 }, (_, round) => round));
    // It overtakes what nobody reads.
    connection.pause();
    send(fd, Buffer.from('waits'), 5, 0);
    send(fd, Buffer.from('!'), 1, MSG_OOB);
    await until(() => told.length === 51);
    expect([text.length, told.at(-1)]).toEqual([100, 33]);
    send(fd, Buffer.from('more'), 4, 0);
    connection.resume();
    await until(() => text.endsWith('waitsmore'));
    await until(async () => {
      const { events } = loop.stats();
      await someTurns();
      return loop.stats().events === events;
    });
  });

  test('a listener of urgent data may close the connection, or throw', async () => {
    for (const way of ['close', 'throw']) {
      const { connection, fd } = await connectedFd({ trigger, urgentData: true });
      const thrown = jest.spyOn(connection.loop, 'uncaught').mockImplementation(() => {});
      let text = '';
      connection.on('data', (chunk) => {
        text += chunk;
      });
      connection.on('urgent', () => {
        if (way === 'close') return connection.destroy();
        throw new Error('in a listener');
      });
      send(fd, Buffer.from('!'), 1, MSG_OOB);
      send(fd, Buffer.from('after'), 5, 0);
      await until(() => connection.closed || text === 'after');
      expect([connection.closed, thrown.mock.calls.length]).toEqual(
        way === 'close' ? [true, 0] : [false, 1],
      );
      thrown.mockRestore();
    }
  });

  test('a listener that pauses gets no more, be it bytes or the end, before it resumes', async () => {
    const readQuantumBytes = 2 ** 20;
    const { connection, fd } = await connectedFd({ trigger, readQuantumBytes });
    const log: number[] = [];
    let ended = false;
    connection.on('data', (chunk) => {
      log.push(chunk.length);
      connection.pause();
    });
    connection.on('end', () => {
      ended = true;
    });
    connection.pause();
    let sent = 0;
    for (let count = 1; count > 0; sent += Math.max(count, 0))
      count = write(fd, Buffer.alloc(65_536));
    shutdown(fd, SHUT_WR);
    expect(sent).toBeGreaterThan(3 * 65_536);
    let received = 0;
    for (let chunks = 1; received < sent; chunks += 1) {
      connection.resume();
      await until(() => log.length === chunks);
      await someTurns();
      expect([log.length, ended]).toEqual([chunks, false]);
      received += log.at(-1) as number;
    }
    connection.resume();
    await until(() => connection.closed);
    expect([received, ended]).toEqual([sent, true]);
  });

  test('a write callback that closes the connection: nothing that came with the room is told', async () => {
    const { connection, fd } = await connectedFd({ trigger, urgentData: true });
    const uncaught = jest.spyOn(connection.loop, 'uncaught').mockImplementation(() => {});
    const log = record(connection);
    connection.on('urgent', () => log.push('urgent'));
    clog(connection);
    connection.write('last', () => {
      log.push('written');
      connection.destroy();
    });
    await someTurns();
    const sink = Buffer.allocUnsafe(1_000_000);
    // In one turn, so that one event tells of room, of the urgent byte and of the other one.
    while (recv(fd, sink, sink.length, 0) > 0);
    send(fd, Buffer.from('!'), 1, MSG_OOB);
    send(fd, Buffer.from('x'), 1, 0);
    await until(() => {
      while (recv(fd, sink, sink.length, 0) > 0);
      return connection.closed;
    });
    await someTurns();
    expect(log.slice(log.indexOf('written'))).toEqual(['written', 'close undefined']);
    expect(uncaught).not.toHaveBeenCalled();
  });

  test('a turn of many reads: each answer is sent as it was, also by a listener that throws', async () => {
    // What is answered with is the view itself, whose memory is read into again.
    const { connection, fd } = await connectedFd({ trigger, readQuantumBytes: 2 ** 20 });
    const uncaught = jest.spyOn(connection.loop, 'uncaught').mockImplementation(() => {});
    connection.on('data', (chunk) => {
      connection.write(chunk);
      throw new Error('behind the answer');
    });
    connection.pause();
    const bytes = randomBytes(400_000);
    const sent = write(fd, bytes);
    expect(sent).toBeGreaterThan(2 * 65_536);
    connection.resume();
    const answer: Buffer[] = [];
    let received = 0;
    await until(() => {
      const chunk = Buffer.alloc(65_536);
      const count = recv(fd, chunk, chunk.length, 0);
      if (count > 0) answer.push(chunk.subarray(0, count));
      received += Math.max(count, 0);
      return received === sent;
    });
    expect(Buffer.concat(answer).equals(bytes.subarray(0, sent))).toBe(true);
    expect(uncaught).toHaveBeenCalled();
  });

  test('one turn reads no more than a quantum, and the rest is not forgotten', async () => {
    const quantum = 65_536;
    const { connection, fd } = await connectedFd({ trigger, readQuantumBytes: quantum });
    connection.pause();
    const bytes = randomBytes(1_000_000);
    let sent = 0;
    for (let count = 1; count > 0 && sent < bytes.length; sent += Math.max(count, 0)) {
      count = write(fd, bytes.subarray(sent));
    }
    expect(sent).toBeGreaterThan(2 * quantum);
    const turns: number[] = [];
    let turn = 0;
    const events = jest.spyOn(connection, 'onEvents').mockImplementation(function (
      this: TcpConnection,
      mask: number,
    ) {
      turn += 1;
      Object.getPrototypeOf(connection).onEvents.call(connection, mask);
    });
    const received: Buffer[] = [];
    connection.on('data', (chunk) => {
      turns[turn] = (turns[turn] ?? 0) + chunk.length;
      received.push(Buffer.from(chunk));
    });
    connection.resume();
    await until(() => received.reduce((sum, { length }) => sum + length, 0) === sent);
    expect(Buffer.concat(received).equals(bytes.subarray(0, sent))).toBe(true);
    expect(events.mock.calls.length).toBeGreaterThan(2);
    expect(Math.max(...turns.filter((count) => count !== undefined))).toBeLessThanOrEqual(quantum);
  });
});
