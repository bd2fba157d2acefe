/** The server: its masks, its end, and the TcpServer under it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import WebSocket from 'ws';
import { EventLoop } from '../../src/loop/event-loop';
import { UnixServer } from '../../src/net/server/unix-server';
import * as c from '../../src/sys/constants';
import { fcntl } from '../../src/sys/io';
import type { WebSocketConnection } from '../../src/ws/web-socket';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import type { WebSocketServerOptions } from '../../src/ws/web-socket-server-options';
import { client, receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { listenerFd, watchedMask } from '../support/fdinfo';
import { makeFolder } from '../support/folder';
import { next, until } from '../support/until';
import { CLOSE, clientFrame, closeFrame, parseServerFrames, TEXT } from '../support/ws-frames';
import { connected, dial, echo, rawPeer, serve, servers, sockets } from './rig';

expectNoFdLeaks();

describe('the shape of the articles', () => {
  test('the listener is IN and ONESHOT, upgraded connections are IN, RDHUP, ET, and OUT once', async () => {
    const loop = new EventLoop();
    const server = serve({ loop });
    const { socket } = await connected(server);
    const always = c.EPOLLERR | c.EPOLLHUP;
    expect(watchedMask(loop, socket.connection.fd)).toBe(
      (c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP | c.EPOLLET | c.EPOLLPRI | always) >>> 0,
    );
    expect(watchedMask(loop, listenerFd(server.port))).toBe(c.EPOLLIN | c.EPOLLONESHOT | always);
    server.destroy();
    loop.close();
  });

  test('a HUP closes the connection and removes it', async () => {
    const loop = new EventLoop();
    const server = serve({ loop });
    const before = loop.stats().watched;
    const { socket, peer } = await connected(server);
    expect(loop.stats().watched).toBe(before + 1);
    peer.terminate();
    await next(socket, 'close');
    expect([loop.stats().watched, server.clients.size]).toEqual([before, 0]);
    server.destroy();
    loop.close();
  });
});

describe('closing the server', () => {
  test('every client gets a close frame, new ones are refused, and close comes last', async () => {
    const server = serve();
    const all = [await connected(server), await connected(server)];
    const closed = next(server, 'close');
    const codes = all.map(({ peer }) => next(peer, 'close'));
    server.close(1001, 'going down');
    await expect(client(server.port)).rejects.toThrow('ECONNREFUSED');
    expect((await Promise.all(codes)).map(([code, reason]) => `${code} ${reason}`)).toEqual([
      '1001 going down',
      '1001 going down',
    ]);
    await closed;
    expect(server.clients.size).toBe(0);
    server.close();
  });

  test('is closing its clients before it returns', async () => {
    const server = serve();
    const { socket, peer } = await connected(server);
    server.close();
    expect(socket.open).toBe(false);
    await next(peer, 'close');
  });

  test('a code or a reason that cannot be sent is refused, with nothing changed', () => {
    const server = serve();
    expect(() => server.close(1005)).toThrow(RangeError);
    expect(() => server.close(1000, 'x'.repeat(124))).toThrow(RangeError);
    expect(server.server.listening).toBe(true);
  });

  test.each(['close', 'shutdown'] as const)(
    '%s: who is let in after it is told goodbye too, as the first word was',
    async (way) => {
      const verdicts: ((verdict: boolean) => void)[] = [];
      const authorize = (): Promise<boolean> => new Promise((resolve) => verdicts.push(resolve));
      const server = serve({ authorize });
      const closed = next(server, 'close');
      const peer = dial(server);
      await until(() => verdicts.length === 1);
      if (way === 'close') server.close(1012, 'a new version');
      else void server.shutdown({ code: 1012, reason: 'a new version' });
      server.close(1001, 'too late to say');
      // The connections there are have been asked to finish when this is over.
      await new Promise((resolve) => setImmediate(resolve));
      verdicts[0]?.(true);
      const goodbye = await next<[number, Buffer]>(peer, 'close');
      expect(goodbye.map(String)).toEqual(['1012', 'a new version']);
      await closed;
    },
  );

  test('whoever has not closed after closeTimeoutMs is cut', async () => {
    const patient = serve({ closeTimeoutMs: 600_000 });
    await rawPeer(patient);
    const server = serve({ closeTimeoutMs: 100 });
    const silent = await rawPeer(server);
    const halfway = await client(server.port);
    halfway.write('GET / HTTP/1.1\r\n');
    patient.close();
    server.close();
    await next(server, 'close');
    expect(patient.clients.size).toBe(1);
    expect(parseServerFrames(await receiveAll(silent))[0]?.payload.readUInt16BE(0)).toBe(1001);
  });

  test.each([
    [{}, 'port'],
    [{ port: 0, path: 'chat' }, 'path'],
    [{ port: 0, maxMessageBytes: 0 }, 'maxMessageBytes'],
    [{ port: 0, authorize: true }, 'authorize'],
    [{ port: 0, protocols: [''] }, 'protocols'],
    [{ port: 0, pingInterval: 5 }, 'pingInterval'],
    [{ port: 0, handshakeTimeoutMs: 300_001 }, 'handshakeTimeoutMs'],
  ])('the options %j are refused, and the error says which', (options, name) => {
    expect(() => new WebSocketServer(options as WebSocketServerOptions)).toThrow(
      expect.objectContaining({ name: 'TypeError', message: expect.stringContaining(name) }),
    );
  });

  test('a port that is taken is an error with address and port', () => {
    const { port } = serve();
    expect(() => serve({ port })).toThrow(expect.objectContaining({ code: 'EADDRINUSE', port }));
  });
});

describe('a shutdown', () => {
  const LONG_MS = 60_000;

  test('tells every client, and awaits the answers', async () => {
    const server = serve();
    const all = [await connected(server), await connected(server)];
    const closed = all.map(({ peer }) => next<[number, Buffer]>(peer, 'close'));
    const result = server.shutdown({ deadlineMs: LONG_MS, code: 1012, reason: 'a new version' });
    expect(server.server.listening).toBe(false);
    for (const one of closed) expect((await one).map(String)).toEqual(['1012', 'a new version']);
    expect(await result).toEqual({ ended: 2, cut: 0 });
  });

  test('answers a message that is in the kernel before it says goodbye', async () => {
    const server = echo(serve());
    const peer = await rawPeer(server);
    // It is in the kernel at once, and nobody has had a turn to read it.
    peer.write(clientFrame(TEXT, 'in time'));
    const result = server.shutdown({ deadlineMs: LONG_MS });
    const [answer, goodbye] = parseServerFrames(await receive(peer, 9 + 4));
    expect(answer?.payload.toString()).toBe('in time');
    expect([goodbye?.opcode, goodbye?.payload.readUInt16BE()]).toEqual([CLOSE, 1001]);
    peer.end(closeFrame(1001));
    expect(await result).toEqual({ ended: 1, cut: 0 });
  });

  test('cuts who does not answer at the deadline, whatever closeTimeoutMs is', async () => {
    const server = serve({ closeTimeoutMs: 1 });
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    const failed = next<[{ code: string }]>(socket, 'error');
    expect(await server.shutdown({ deadlineMs: 300 })).toEqual({ ended: 0, cut: 1 });
    expect((await failed)[0].code).toBe('ERR_SHUTDOWN_DEADLINE');
    peer.destroy();
  });

  test('is refused a code or a reason that cannot be sent', async () => {
    const server = serve();
    await expect(server.shutdown({ code: 1005 })).rejects.toThrow(RangeError);
    await expect(server.shutdown({ reason: 'x'.repeat(124) })).rejects.toThrow(RangeError);
    await expect(server.shutdown({ why: 1 } as never)).rejects.toThrow(TypeError);
    expect(server.server.listening).toBe(true);
  });
});

describe('the server under it', () => {
  test('takes the limits of a TcpServer, and tells whom it drops', async () => {
    const server = serve({ maxConnections: 1, deferAcceptSeconds: 0, reusePort: true });
    const dropped = next<[{ reason: string }]>(server, 'drop');
    await connected(server);
    const late = dial(server);
    await next(late, 'error');
    expect((await dropped)[0].reason).toBe('maxConnections');
    expect(server.server.dropped).toBe(1);
  });

  test('takes its deadlines too: a connection is cut, open or not, with the reason', async () => {
    const limits = { idleTimeoutMs: 100, lifetimeMs: 100 };
    for (const [name, limitMs] of Object.entries(limits)) {
      const server = serve({ [name]: limitMs, pingIntervalMs: 0 });
      const accepted = next<[WebSocketConnection]>(server, 'connection');
      const peer = await rawPeer(server);
      const [error] = await next<[Error]>((await accepted)[0], 'error');
      expect(error).toMatchObject({
        code: 'ETIMEDOUT',
        message: expect.stringContaining(`${limitMs} ms (${name})`),
      });
      await receiveAll(peer);
    }
  });

  test('minReadRate is for requests: half of one is cut, and an open socket owes nothing', async () => {
    const minReadRate = { bytesPerSecond: 100, windowMs: 500 };
    const server = echo(serve({ minReadRate, pingIntervalMs: 0, handshakeTimeoutMs: 300_000 }));
    const open = await rawPeer(server);
    for (let round = 0; round < 2; round += 1) {
      const halfway = await client(server.port);
      halfway.write('GET / HTTP/1.1\r\n');
      expect(await receiveAll(halfway)).toHaveLength(0);
    }
    open.write(clientFrame(TEXT, 'still here'));
    expect(parseServerFrames(await receive(open, 12))[0]?.payload.toString()).toBe('still here');
  });

  test('takes its quanta', () => {
    const server = serve({ readQuantumBytes: 1_000, writeQuantumBytes: 2_000 });
    expect(server.server.listening).toBe(true);
    for (const name of ['readQuantumBytes', 'writeQuantumBytes', 'idleTimeoutMs', 'lifetimeMs']) {
      expect(() => serve({ [name]: -1 })).toThrow(`option "${name}"`);
    }
    const minReadRate = { bytesPerSecond: 0 };
    expect(() => serve({ minReadRate })).toThrow('option "minReadRate.bytesPerSecond"');
  });

  test('may be given: one on a unix socket', async () => {
    const path = join(makeFolder(), 'ws');
    const unix = new UnixServer({ path, trigger: 'edge', writeTimeoutMs: 10_000 });
    const server = echo(new WebSocketServer({ server: unix }));
    servers.push(server);
    const peer = new WebSocket(`ws+unix://${path}:/`);
    sockets.push(peer);
    await next(peer, 'open');
    peer.send('hello');
    expect(String((await next<[Buffer]>(peer, 'message'))[0])).toBe('hello');
    expect(() => server.port).toThrow('no IP address');
    const closed = next(server, 'close');
    server.close();
    await closed;
    expect(existsSync(path)).toBe(false);
  });

  test('may be given: a listener that is there already', async () => {
    const first = serve();
    const fd = fcntl(first.server.fd, c.F_DUPFD_CLOEXEC);
    const second = echo(new WebSocketServer({ fd }));
    servers.push(second);
    expect(second.port).toBe(first.port);
    expect(await first.shutdown({ handedOver: true })).toEqual({ ended: 0, cut: 0 });
    const { peer } = await connected(second);
    peer.send('hello');
    expect(String((await next<[Buffer]>(peer, 'message'))[0])).toBe('hello');
  });

  test('is given, or made: not both', () => {
    const { server } = serve();
    const both = { server, port: 0 };
    expect(() => new WebSocketServer(both)).toThrow(/options of WebSocketServer.*"port"/);
    expect(() => new WebSocketServer({} as never)).toThrow(/option "port"/);
    expect(() => new WebSocketServer({ port: 0, prot: 1 } as never)).toThrow(/"prot"/);
    expect(() => serve({ maxConnections: 0 })).toThrow(/option "maxConnections"/);
  });
});
