/** Graceful shutdown: who waits is taken, who is busy finishes, who does not end is cut. */
import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { EventLoop } from '../../../src/loop/event-loop';
import type { ConnectionHandler } from '../../../src/net/connection/connection';
import type { TcpServer } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { encodeAddress } from '../../../src/sys/address';
import * as c from '../../../src/sys/constants';
import { errno } from '../../../src/sys/errno';
import { fcntl, setNonBlocking } from '../../../src/sys/io';
import { connect, recv, shutdown, socket } from '../../../src/sys/socket';
import { client, receive, receiveAll } from '../../support/client';
import { connectedTo, destroyLater, serve } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, put } from '../../support/fds';
import { makeFolder } from '../../support/folder';
import { testIf } from '../../support/requires';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const LONG_MS = 60_000;

function echo(server: TcpServer): TcpServer {
  return server.on('connection', (connection) => {
    connection.on('data', (chunk) => connection.write(chunk));
  });
}

/** Clients that are connected as far as they know, and have asked; the loop has not had a turn. */
function waiting(port: number, count: number): number[] {
  return Array.from({ length: count }, () => {
    const fd = closeLater(socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0));
    expect(connect(fd, encodeAddress({ address: '127.0.0.1', port }))).toBe(0);
    put(fd, 'hello');
    setNonBlocking(fd);
    return fd;
  });
}

const buffer = Buffer.alloc(100);

/** What a waiting client gets: an answer and the end, or an errno. */
async function fate(fd: number): Promise<string> {
  let text = '';
  for (;;) {
    let outcome = -errno.EAGAIN;
    await until(() => {
      outcome = recv(fd, buffer, buffer.length, 0);
      return outcome !== -errno.EAGAIN;
    });
    if (outcome === 0) return `${text} and the end`;
    if (outcome < 0) return outcome === -errno.ECONNRESET ? 'reset' : String(outcome);
    text += buffer.toString('utf8', 0, outcome);
  }
}

describe('those who wait to be accepted', () => {
  test('close resets them', async () => {
    const server = echo(serve());
    const peers = waiting(server.port, 10);
    server.close();
    expect(new Set(await Promise.all(peers.map(fate)))).toEqual(new Set(['reset']));
  });

  const migrates = readFileSync('/proc/sys/net/ipv4/tcp_migrate_req', 'utf8').trim() !== '0';
  testIf(!migrates, 'tcp_migrate_req=0, the default')(
    'close resets them also if another server at the port, by SO_REUSEPORT, goes on',
    async () => {
      const server = echo(serve({ reusePort: true }));
      const peers = waiting(server.port, 10);
      echo(serve({ reusePort: true, port: server.port }));
      server.close();
      expect(new Set(await Promise.all(peers.map(fate)))).toEqual(new Set(['reset']));
    },
  );

  test.each([false, true])('shutdown answers them; SO_REUSEPORT: %s', async (reusePort) => {
    const server = echo(serve({ reusePort }));
    const peers = waiting(server.port, 10);
    const result = server.shutdown({ deadlineMs: LONG_MS });
    expect([server.listening, server.fd]).toEqual([false, -1]);
    const fates = await Promise.all(peers.map(fate));
    expect(new Set(fates)).toEqual(new Set(['hello and the end']));
    for (const peer of peers) shutdown(peer, c.SHUT_RDWR);
    expect(await result).toEqual({ ended: 10, cut: 0 });
  });

  test('a limit holds for them too', async () => {
    const server = echo(serve({ maxConnections: 3 }));
    const peers = waiting(server.port, 5);
    const result = server.shutdown({ deadlineMs: LONG_MS });
    expect([server.connections.size, server.dropped]).toEqual([3, 2]);
    for (const peer of peers) shutdown(peer, c.SHUT_RDWR);
    expect(await result).toEqual({ ended: 3, cut: 0 });
  });
});

describe('those who are connected', () => {
  test('get what is queued, and then the end', async () => {
    const server = serve();
    const { peer, connection } = await connectedTo(server);
    peer.pause();
    const sent = Buffer.alloc(8_000_000, 'queued');
    connection.write(sent);
    expect(connection.queuedBytes).toBeGreaterThan(0);
    const result = server.shutdown({ deadlineMs: LONG_MS });
    expect((await receiveAll(peer)).equals(sent)).toBe(true);
    expect(await result).toEqual({ ended: 1, cut: 0 });
  });

  test('finish as their protocol does it, with a listener and with a handler', async () => {
    const handler: ConnectionHandler = {
      onData: (connection, chunk) => connection.end(`answer to ${chunk}`),
      onShutdown: (connection) => connection.write('last chance '),
    };
    const byEvents = serve();
    byEvents.on('connection', (connection) => {
      connection.on('data', (chunk) => connection.end(`answer to ${chunk}`));
      connection.on('shutdown', () => connection.write('last chance '));
    });
    for (const server of [serve({ handler }), byEvents]) {
      const { peer } = await connectedTo(server);
      const result = server.shutdown({ deadlineMs: LONG_MS });
      expect((await receive(peer, 12)).toString()).toBe('last chance ');
      peer.write('a question');
      expect((await receiveAll(peer)).toString()).toBe('answer to a question');
      expect(await result).toEqual({ ended: 1, cut: 0 });
    }
  });

  test('who does not end is cut at the deadline, with an error that says so', async () => {
    const server = serve();
    const stays = await connectedTo(server, { allowHalfOpen: true });
    const goes = await connectedTo(server);
    goes.peer.resume();
    const closed = next(stays.connection, 'close');
    // 'close' is told in the same tick as the promise is resolved.
    const told = jest.fn();
    server.on('close', told);
    const result = server.shutdown({ deadlineMs: LONG_MS });
    await next(goes.connection, 'close');
    void server.shutdown({ deadlineMs: 300 });
    expect(await result).toEqual({ ended: 1, cut: 1 });
    expect((await closed)[0]).toMatchObject({
      code: 'ERR_SHUTDOWN_DEADLINE',
      message: 'the server shuts down, and this did not end within 300 ms',
    });
    expect([told.mock.calls.length, server.loop.timers.size]).toEqual([1, 0]);
  });

  test('destroy cuts in the middle of it, and is counted', async () => {
    const server = serve();
    for (let count = 0; count < 3; count += 1) await connectedTo(server, { allowHalfOpen: true });
    const result = server.shutdown({ deadlineMs: LONG_MS });
    server.destroy();
    expect(await result).toEqual({ ended: 0, cut: 3 });
  });

  test.each(['the deadline', 'destroy'])(
    'who is ended by the close of another, which %s cuts, is not cut',
    async (by) => {
      const server = serve();
      const first = await connectedTo(server, { allowHalfOpen: true });
      const second = await connectedTo(server, { allowHalfOpen: true });
      first.connection.on('close', () => second.connection.destroy());
      const result = server.shutdown({ deadlineMs: by === 'destroy' ? LONG_MS : 50 });
      if (by === 'destroy') server.destroy();
      expect(await result).toEqual({ ended: 1, cut: 1 });
    },
  );

  test('a listener that throws does not stop the other connections from ending', async () => {
    const loop = new EventLoop();
    const thrown = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
    const server = serve({ loop });
    const told = jest.fn();
    const peers: Socket[] = [];
    for (let count = 0; count < 3; count += 1) {
      const { peer, connection } = await connectedTo(server);
      peers.push(peer);
      connection.on('shutdown', () => {
        told();
        connection.end();
        throw new Error('cannot leave');
      });
    }
    for (const peer of peers) peer.resume();
    expect(await server.shutdown({ deadlineMs: LONG_MS })).toEqual({ ended: 3, cut: 0 });
    expect([told.mock.calls.length, thrown.mock.calls.length]).toEqual([3, 3]);
    loop.close();
  });
});

describe('may be called', () => {
  test('twice: the same result, and the earlier deadline holds', async () => {
    const server = serve();
    await connectedTo(server, { allowHalfOpen: true });
    const first = server.shutdown({ deadlineMs: LONG_MS });
    const second = server.shutdown({ deadlineMs: 0 });
    const third = server.shutdown({ deadlineMs: LONG_MS });
    const results = await Promise.all([first, second, third]);
    expect(results).toEqual(Array.from({ length: 3 }, () => ({ ended: 0, cut: 1 })));
    expect(await server.shutdown()).toEqual({ ended: 0, cut: 1 });
  });

  test('after close, and after everything has ended', async () => {
    const server = serve();
    const { peer } = await connectedTo(server);
    server.close();
    peer.resume();
    expect(await server.shutdown({ deadlineMs: LONG_MS })).toEqual({ ended: 1, cut: 0 });
    const other = serve();
    other.close();
    await next(other, 'close');
    expect(await other.shutdown()).toEqual({ ended: 0, cut: 0 });
  });

  test('by the listener of a connection that is taken for it, and by one of data', async () => {
    const server = serve();
    const results: Promise<unknown>[] = [];
    server.on('connection', (connection) => {
      results.push(server.shutdown({ deadlineMs: LONG_MS }));
      connection.on('data', (chunk) => {
        const before = chunk.toString();
        results.push(server.shutdown({ deadlineMs: LONG_MS }));
        connection.write(`${before === chunk.toString()}`);
      });
    });
    const peers = waiting(server.port, 5);
    const fates = await Promise.all(peers.map(fate));
    expect(new Set(fates)).toEqual(new Set(['true and the end']));
    for (const peer of peers) shutdown(peer, c.SHUT_RDWR);
    const outcome = await Promise.all(results);
    expect([outcome.length, outcome[0], outcome.at(-1)]).toEqual([
      10,
      { ended: 5, cut: 0 },
      { ended: 5, cut: 0 },
    ]);
  });

  test('and so may destroy, by a listener of connection: no connection is left', async () => {
    const server = serve();
    server.on('connection', () => server.destroy());
    const peers = waiting(server.port, 3);
    const { ended, cut } = await server.shutdown({ deadlineMs: LONG_MS });
    expect([ended, cut, server.connections.size]).toEqual([0, 1, 0]);
    // One was accepted and cut; the others wait in a queue that is closed.
    const fates = await Promise.all(peers.map(fate));
    expect(fates.filter((text) => text === 'reset').length).toBeGreaterThanOrEqual(2);
  });

  test('on a server that does not hold the process', async () => {
    const server = serve();
    server.unref();
    const { peer } = await connectedTo(server);
    peer.resume();
    expect(await server.shutdown({ deadlineMs: LONG_MS })).toEqual({ ended: 1, cut: 0 });
  });

  test.each([
    [{ deadlineMs: -1 }, 'deadlineMs'],
    [{ deadlineMs: Number.NaN }, 'deadlineMs'],
    [{ deadlineMs: Infinity }, 'deadlineMs'],
    [{ handedOver: 1 }, 'handedOver'],
    [{ deadline: 1 }, 'deadline'],
  ])('but not with %j', async (options, name) => {
    const server = serve();
    await expect(server.shutdown(options as never)).rejects.toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining(name),
    });
    expect(server.listening).toBe(true);
  });
});

describe('handed over', () => {
  test('the file stays, who waits is left to the successor, and that one removes it', async () => {
    const path = join(makeFolder(), 'server');
    const first = destroyLater(new UnixServer({ path }));
    const fd = fcntl(first.fd, c.F_DUPFD_CLOEXEC);
    const second = destroyLater(new UnixServer({ fd, removeFile: true }));
    const accepted = next(second, 'connection');
    expect(await first.shutdown({ handedOver: true })).toEqual({ ended: 0, cut: 0 });
    expect([existsSync(path), second.path]).toEqual([true, path]);
    await client(0, { path } as never);
    await accepted;
    second.destroy();
    expect(existsSync(path)).toBe(false);
  });

  test('removeFile is for those who were given the listener', () => {
    const path = join(makeFolder(), 'server');
    expect(() => new UnixServer({ path, removeFile: true })).toThrow(/option "removeFile"/);
  });
});
