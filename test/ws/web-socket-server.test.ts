import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import WebSocket, { type ClientOptions } from 'ws';
import { EventLoop } from '../../src/loop/event-loop';
import { UnixServer } from '../../src/net/server/unix-server';
import * as c from '../../src/sys/constants';
import { fcntl } from '../../src/sys/io';
import { encodeFrame } from '../../src/ws/frame-encoder';
import type { WebSocketConnection } from '../../src/ws/web-socket';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import type { WebSocketServerOptions } from '../../src/ws/web-socket-server-options';
import { client, receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { listenerFd, watchedMask } from '../support/fdinfo';
import { makeFolder } from '../support/folder';
import { sha } from '../support/sha';
import { next, until } from '../support/until';
import {
  BINARY,
  CLOSE,
  clientFrame,
  closeFrame,
  PING,
  PONG,
  parseServerFrames,
  TEXT,
} from '../support/ws-frames';

expectNoFdLeaks();

const servers: WebSocketServer[] = [];
const sockets: WebSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const server of servers.splice(0)) server.destroy();
});

function serve(options: Partial<WebSocketServerOptions> = {}): WebSocketServer {
  const server = new WebSocketServer({ port: 0, ...options });
  servers.push(server);
  return server;
}

function echo(server: WebSocketServer): WebSocketServer {
  return server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
}

/** A client of the `ws` package. */
function dial(server: WebSocketServer, path = '/', options: ClientOptions = {}): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, options);
  sockets.push(socket);
  return socket;
}

/** Both ends of a new WebSocket. */
async function connected(
  server: WebSocketServer,
): Promise<{ socket: WebSocketConnection; peer: WebSocket; request: IncomingMessage }> {
  const accepted = next<[WebSocketConnection, IncomingMessage]>(server, 'connection');
  const peer = dial(server);
  const [[socket, request]] = await Promise.all([accepted, next(peer, 'open')]);
  return { socket, peer, request };
}

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: x',
  'Connection: keep-alive, Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
const asRequest = (lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;

/** A raw TCP client that has upgraded, so that it can send any bytes it likes. */
async function rawPeer(server: WebSocketServer, behind: Buffer = Buffer.alloc(0)): Promise<Socket> {
  const peer = await client(server.port);
  peer.write(Buffer.concat([Buffer.from(asRequest(UPGRADE)), behind]));
  let head = '';
  while (!head.endsWith('\r\n\r\n')) head += await receive(peer, 1);
  expect(head).toMatch(/^HTTP\/1.1 101 /);
  // The example of RFC 6455, section 1.3.
  expect(head).toMatch(/Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/);
  return peer;
}

describe('messages', () => {
  test.each([0, 1, 125, 126, 65_535, 65_536, 1_000_000])(
    'text and bytes of %d come back as they were',
    async (length) => {
      const { peer } = await connected(echo(serve()));
      const bytes = randomBytes(length);
      peer.send(bytes);
      const [binary, isBinary] = await next<[Buffer, boolean]>(peer, 'message');
      expect([sha(binary), isBinary]).toEqual([sha(bytes), true]);
      peer.send('ü'.repeat(length / 2));
      const [text, isText] = await next<[Buffer, boolean]>(peer, 'message');
      expect([text.toString() === 'ü'.repeat(length / 2), isText]).toEqual([true, false]);
    },
  );

  test('many clients are served at once, each with its own messages', async () => {
    const server = echo(serve());
    const talk = async (name: string): Promise<void> => {
      const { peer } = await connected(server);
      for (let round = 0; round < 20; round += 1) {
        const message = `${name} says ${round}`;
        peer.send(message);
        const [answer] = await next<[Buffer]>(peer, 'message');
        expect(answer.toString()).toBe(message);
      }
    };
    await Promise.all(Array.from({ length: 50 }, (_, index) => talk(`client ${index}`)));
    expect(server.clients.size).toBe(50);
  });

  test('fragments of a `ws` client are joined', async () => {
    const { peer } = await connected(echo(serve()));
    peer.send('one ', { fin: false });
    peer.send('two ', { fin: false });
    peer.send('three', { fin: true });
    const [message] = await next<[Buffer]>(peer, 'message');
    expect(message.toString()).toBe('one two three');
  });

  test('a broadcast reaches everyone but who is left out', async () => {
    const server = serve();
    const all = [await connected(server), await connected(server), await connected(server)];
    const log: string[] = [];
    for (const [index, { peer }] of all.entries()) {
      peer.on('message', (data, isBinary) => log.push(`${index} ${data} ${isBinary}`));
    }
    server.broadcast('to all', {});
    server.broadcast(Buffer.from('bytes'), { except: all[1]?.socket as WebSocketConnection });
    server.broadcast(Buffer.from('as text'), { binary: false });
    await until(() => log.length === 8);
    expect(log.sort()).toEqual([
      '0 as text false',
      '0 bytes true',
      '0 to all false',
      '1 as text false',
      '1 to all false',
      '2 as text false',
      '2 bytes true',
      '2 to all false',
    ]);
  });

  test('what is encoded once can be sent to anyone', async () => {
    const { socket, peer } = await connected(serve());
    const frame = encodeFrame(TEXT, Buffer.from('prepared'));
    expect(socket.sendEncoded(frame)).toBe(true);
    const [message] = await next<[Buffer]>(peer, 'message');
    expect(message.toString()).toBe('prepared');
  });

  test('a callback is told when the kernel has the message, or that it never will', async () => {
    const { socket, peer } = await connected(serve());
    await new Promise<void>((done) =>
      socket.send('x', { callback: (error) => (error === undefined ? done() : undefined) }),
    );
    peer.terminate();
    await next(socket, 'close');
    const error = await new Promise((done) => socket.send('x', { callback: done }));
    expect(error).toMatchObject({ code: 'ERR_WEBSOCKET_NOT_OPEN' });
    expect(() => socket.send(5 as unknown as string)).toThrow(/"data"/);
  });

  test('what came in the same segment as the upgrade request is not lost', async () => {
    const server = echo(serve());
    const peer = await rawPeer(server, clientFrame(TEXT, 'eager'));
    expect(parseServerFrames(await receive(peer, 7))[0]?.payload.toString()).toBe('eager');
  });

  test('a listener that throws does not cost the messages behind it', async () => {
    const loop = new EventLoop();
    const thrown = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
    const server = serve({ loop });
    const seen: string[] = [];
    server.on('connection', (socket) => {
      socket.on('message', (data) => {
        seen.push(data.toString());
        throw new Error(`cannot take ${data}`);
      });
    });
    const peer = await rawPeer(server);
    peer.write(Buffer.concat([clientFrame(TEXT, 'a'), clientFrame(TEXT, 'b')]));
    await until(() => seen.length === 2);
    expect(seen).toEqual(['a', 'b']);
    expect(thrown).toHaveBeenCalledTimes(2);
    server.destroy();
    loop.close();
  });
});

describe('the lost pong: several messages in one segment', () => {
  test('data, pong and half a frame in one segment: all that is complete is handled', async () => {
    const server = serve();
    const log: string[] = [];
    server.on('connection', (socket) => {
      socket.on('message', (data) => log.push(`message ${data}`));
      socket.on('pong', (data) => log.push(`pong ${data}`));
    });
    const peer = await rawPeer(server);
    const half = clientFrame(TEXT, 'second');
    peer.write(
      Buffer.concat([clientFrame(TEXT, 'first'), clientFrame(PONG, 'here'), half.subarray(0, 7)]),
    );
    await until(() => log.length === 2);
    expect(log).toEqual(['message first', 'pong here']);
    peer.write(half.subarray(7));
    await until(() => log.length === 3);
    expect(log[2]).toBe('message second');
  });

  test('a client whose pongs stand behind messages outlives the heartbeat', async () => {
    const server = serve({ pingIntervalMs: 60 });
    const peer = await rawPeer(server);
    let pings = 0;
    peer.on('data', (chunk: Buffer) => {
      for (const { opcode, payload } of parseServerFrames(chunk)) {
        if (opcode !== PING) continue;
        pings += 1;
        const answer = [
          clientFrame(TEXT, 'data'),
          clientFrame(PONG, payload),
          clientFrame(TEXT, 'x').subarray(0, 3),
        ];
        peer.write(Buffer.concat(answer));
        peer.write(clientFrame(TEXT, 'x').subarray(3));
      }
    });
    peer.resume();
    await until(() => pings === 5);
    expect(server.clients.size).toBe(1);
  });

  test('a client that does not answer pings is cut', async () => {
    const server = serve({ pingIntervalMs: 50 });
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    const errors: unknown[] = [];
    socket.on('error', (error) => errors.push(error));
    expect(parseServerFrames(await receiveAll(peer)).map(({ opcode }) => opcode)).toEqual([PING]);
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_PONG_TIMEOUT' })]);
  });
});

describe('the pong is there, and it is we who have not read it', () => {
  /** A socket that is paused from the beginning, and its client, which was pinged. */
  async function pinged(): Promise<{
    server: WebSocketServer;
    socket: WebSocketConnection;
    peer: Socket;
    timer: jest.SpyInstance;
    log: string[];
  }> {
    const server = serve({ pingIntervalMs: 100 });
    const opened = new Promise<{ socket: WebSocketConnection; timer: jest.SpyInstance }>((done) => {
      server.once('connection', (socket) => {
        socket.pause();
        done({ socket, timer: jest.spyOn(socket, 'onTimer') });
      });
    });
    const peer = await rawPeer(server);
    const { socket, timer } = await opened;
    const log: string[] = [];
    socket.on('message', (data) => log.push(`message ${data}`));
    socket.on('pong', () => log.push('pong'));
    socket.on('error', (error) => log.push((error as Error & { code: string }).code));
    expect(parseServerFrames(await receive(peer, 2))).toMatchObject([{ opcode: PING }]);
    return { server, socket, peer, timer, log };
  }

  test('a paused socket is not cut, whose pong waits with the rest', async () => {
    const { server, socket, peer, timer, log } = await pinged();
    peer.write(Buffer.concat([clientFrame(PONG), clientFrame(TEXT, 'later')]));
    // One ping, and then the time for its pong is over, twice.
    await until(() => timer.mock.calls.length >= 3);
    expect([log, server.clients.size]).toEqual([[], 1]);
    socket.resume();
    await until(() => log.length >= 2);
    expect(log.slice(0, 2)).toEqual(['pong', 'message later']);
    // It is heard again, and so it is cut when it falls silent.
    await until(() => log.includes('ERR_PONG_TIMEOUT'));
  });

  test('a pong that this thread is late to read counts', async () => {
    const { socket, peer, log } = await pinged();
    socket.resume();
    peer.write(clientFrame(PONG));
    // The timer comes first.
    socket.onTimer();
    expect(log).toEqual([]);
    await until(() => log.length >= 1);
    expect(log[0]).toBe('pong');
  });
});

describe('clients that never read', () => {
  test('are cut at the write deadline, while an honest one is served all the time', async () => {
    const CLIENTS = 100;
    const server = serve({ writeTimeoutMs: 300, maxQueuedBytes: 64 * 1024 * 1024 });
    const block = Buffer.alloc(1_000_000);
    let timedOut = 0;
    server.on('connection', (socket, { url }) => {
      if (url === '/honest') {
        socket.on('message', (data) => socket.send(data));
        return;
      }
      socket.on('error', (error) => {
        if ((error as Error & { code: string }).code === 'ETIMEDOUT') timedOut += 1;
      });
      const send = (): void => {
        while (socket.send(block));
      };
      socket.on('drain', send);
      send();
    });
    const honest = dial(server, '/honest');
    await next(honest, 'open');
    let answers = 0;
    honest.on('message', () => {
      // Of interest are those that come while others are stuck.
      if (server.clients.size > 1) answers += 1;
      if (timedOut < CLIENTS) honest.send('ping');
    });
    honest.send('ping');
    for (let index = 0; index < CLIENTS; index += 1) {
      const peer = await client(server.port);
      peer.pause();
      peer.write(asRequest(UPGRADE));
    }
    await until(() => timedOut === CLIENTS && server.clients.size === 1);
    expect(answers).toBeGreaterThan(1);
    const { peer } = await connected(server);
    expect(peer.readyState).toBe(WebSocket.OPEN);
  });

  test('send says when to stop, and drain when to go on', async () => {
    const { socket, peer } = await connected(serve({ maxQueuedBytes: 64 * 1024 * 1024 }));
    peer.pause();
    const block = Buffer.alloc(4_000_000);
    while (socket.send(block));
    // Not by how much: the kernel may have taken all but a few bytes of the last one.
    expect(socket.bufferedAmount).toBeGreaterThan(0);
    peer.resume();
    await next(socket, 'drain');
    expect(socket.bufferedAmount).toBe(0);
  });

  test('a paused socket leaves messages in the kernel', async () => {
    const { socket, peer } = await connected(serve());
    const seen: string[] = [];
    socket.on('message', (data) => seen.push(data.toString()));
    socket.pause();
    peer.send('later');
    await new Promise((done) => peer.ping('', true, done));
    await new Promise((done) => setTimeout(done, 20));
    expect(seen).toEqual([]);
    socket.resume();
    await until(() => seen.length === 1);
  });
});

describe('control frames and closing', () => {
  test('a ping is answered with the same bytes, and told', async () => {
    const { socket, peer } = await connected(serve());
    const told = next(socket, 'ping');
    peer.ping('are you there');
    expect((await next(peer, 'pong')).toString()).toBe('are you there');
    expect(String((await told)[0])).toBe('are you there');
    socket.ping(Buffer.from('and you'));
    expect(String((await next(socket, 'pong'))[0])).toBe('and you');
    expect(() => socket.ping(Buffer.alloc(126))).toThrow(RangeError);
  });

  test('the client closes: the server sees its code and reason, and answers', async () => {
    const { socket, peer } = await connected(serve());
    peer.close(4_001, 'höflich');
    const [closed, answered] = await Promise.all([next(socket, 'close'), next(peer, 'close')]);
    expect(closed).toEqual([4_001, 'höflich']);
    expect(answered.map(String)).toEqual(['4001', 'höflich']);
  });

  test('the server closes: the client sees its code and reason', async () => {
    const { socket, peer } = await connected(serve());
    socket.close(4_002, 'enough');
    socket.close(4_003, 'again');
    expect(socket.open).toBe(false);
    expect(socket.send('too late')).toBe(false);
    const [closed, answered] = await Promise.all([next(socket, 'close'), next(peer, 'close')]);
    expect(closed).toEqual([4_002, 'enough']);
    expect(answered.map(String)).toEqual(['4002', 'enough']);
  });

  test('a peer that does not answer the close frame is cut after closeTimeoutMs', async () => {
    const server = serve({ closeTimeoutMs: 50 });
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    socket.close();
    expect(await next(socket, 'close')).toEqual([1006, '']);
    await receiveAll(peer);
  });

  test('what comes behind our close frame is neither told nor answered', async () => {
    const server = serve();
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    const told: string[] = [];
    socket.on('message', () => told.push('message'));
    socket.on('ping', () => told.push('ping'));
    socket.close(4_000);
    const late = [clientFrame(TEXT, 'late'), clientFrame(PING, 'late'), closeFrame(4_000)];
    peer.write(Buffer.concat(late));
    expect(await next(socket, 'close')).toEqual([4_000, '']);
    expect(told).toEqual([]);
    expect(parseServerFrames(await receiveAll(peer)).map(({ opcode }) => opcode)).toEqual([CLOSE]);
  });

  test('a peer that says goodbye and keeps its half open is cut after closeTimeoutMs', async () => {
    const server = serve({ closeTimeoutMs: 50, pingIntervalMs: 0 });
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    // It reads no more, and so learns of no FIN.
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    peer.write(closeFrame(1000));
    expect(await next(socket, 'close')).toEqual([1000, '']);
    peer.destroy();
  });

  test('a connection that is lost is 1006', async () => {
    const first = await connected(serve());
    const lost = next(first.socket, 'close');
    first.peer.terminate();
    expect(await lost).toEqual([1006, '']);
    const second = await connected(serve());
    const cut = next(second.socket, 'close');
    second.socket.terminate();
    expect(await cut).toEqual([1006, '']);
    expect((await next(second.peer, 'close'))[0]).toBe(1006);
  });

  test.each([999, 1004, 1005, 1006, 1015, 2000, 5000, 1000.5, Number.NaN])(
    'the close code %d cannot be sent',
    async (code) => {
      const { socket } = await connected(serve());
      expect(() => socket.close(code)).toThrow(RangeError);
      expect(() => socket.close(1000, 'x'.repeat(124))).toThrow(RangeError);
    },
  );

  test.each<[string, Buffer, number]>([
    ['an unmasked frame', clientFrame(TEXT, 'x', { masked: false }), 1002],
    ['a message that is too big', clientFrame(BINARY, Buffer.alloc(1025)), 1009],
    ['text that is not UTF-8', clientFrame(TEXT, Buffer.from([0xff])), 1007],
    [
      'too many fragments',
      Buffer.concat(
        Array.from({ length: 9 }, (_, i) => clientFrame(i === 0 ? TEXT : 0, '', { final: false })),
      ),
      1008,
    ],
  ])(
    '%s is answered with its close code, and nobody else is disturbed',
    async (_name, bytes, code) => {
      const server = echo(serve({ maxMessageBytes: 1024, maxFragments: 8 }));
      const other = await connected(server);
      const accepted = next<[WebSocketConnection]>(server, 'connection');
      const peer = await rawPeer(server);
      const [socket] = await accepted;
      const error = next(socket, 'error');
      const closed = next(socket, 'close');
      peer.write(bytes);
      const frames = parseServerFrames(await receiveAll(peer));
      expect(frames.map(({ opcode, payload }) => [opcode, payload.readUInt16BE(0)])).toEqual([
        [CLOSE, code],
      ]);
      expect(await error).toEqual([
        expect.objectContaining({ code: 'ERR_WEBSOCKET_PROTOCOL', closeCode: code }),
      ]);
      await closed;
      other.peer.send('still served');
      expect(String((await next(other.peer, 'message'))[0])).toBe('still served');
      expect(server.clients.size).toBe(1);
    },
  );

  test('what follows a close frame is ignored', async () => {
    const server = serve();
    const seen: string[] = [];
    server.on('connection', (socket) => socket.on('message', (data) => seen.push(data.toString())));
    const peer = await rawPeer(server);
    peer.write(Buffer.concat([clientFrame(TEXT, 'a'), closeFrame(1000), clientFrame(TEXT, 'b')]));
    expect(parseServerFrames(await receiveAll(peer)).map(({ opcode }) => opcode)).toEqual([CLOSE]);
    expect(seen).toEqual(['a']);
  });

  test('half a frame and a FIN close the connection', async () => {
    const server = serve();
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    peer.end(clientFrame(TEXT, 'cut').subarray(0, 4));
    expect(await next(socket, 'close')).toEqual([1006, '']);
  });
});

describe('the handshake', () => {
  const without = (name: string): string[] => UPGRADE.filter((line) => !line.startsWith(name));

  test.each<[string, string[], RegExp]>([
    ['no key', without('Sec-WebSocket-Key'), /^HTTP\/1.1 400 .*Sec-WebSocket-Key/s],
    [
      'a key of the wrong length',
      [...without('Sec-WebSocket-Key'), 'Sec-WebSocket-Key: AAAA'],
      /^HTTP\/1.1 400 /,
    ],
    [
      'no version',
      without('Sec-WebSocket-Version'),
      /^HTTP\/1.1 426 .*Sec-WebSocket-Version: 13\r\n/s,
    ],
    [
      'an old version',
      [...without('Sec-WebSocket-Version'), 'Sec-WebSocket-Version: 8'],
      /^HTTP\/1.1 426 /,
    ],
    [
      'another method',
      ['POST / HTTP/1.1', ...UPGRADE.slice(1), 'Content-Length: 0'],
      /^HTTP\/1.1 405 .*Allow: GET\r\n/s,
    ],
    ['an invalid subprotocol', [...UPGRADE, 'Sec-WebSocket-Protocol: a, ,b'], /^HTTP\/1.1 400 /],
    ['a subprotocol twice', [...UPGRADE, 'Sec-WebSocket-Protocol: a, a'], /^HTTP\/1.1 400 /],
    ['text garbage', ['not HTTP at all'], /^HTTP\/1.1 400 Bad Request/],
  ])('%s is refused', async (_name, lines, answer) => {
    const server = serve();
    const peer = await client(server.port);
    peer.write(asRequest(lines));
    expect((await receiveAll(peer)).toString()).toMatch(answer);
    expect(server.clients.size).toBe(0);
    await connected(server);
  });

  test('a request head that does not end is refused after a time', async () => {
    const server = serve({ handshakeTimeoutMs: 100 });
    const peer = await client(server.port);
    peer.write('GET / HTTP/1.1\r\n');
    expect((await receiveAll(peer)).toString()).toMatch(/^HTTP\/1.1 408 /);
  });

  test('only the path that was given is served', async () => {
    const server = serve({ path: '/chat' });
    await next(dial(server, '/chat'), 'open');
    await next(dial(server, '/chat?room=1'), 'open');
    const other = dial(server, '/chatter');
    expect(String((await next(other, 'error'))[0])).toMatch('404');
  });

  test('the first subprotocol of ours that is offered too is agreed on', async () => {
    const server = serve({ protocols: ['v2', 'v1'] });
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = new WebSocket(`ws://127.0.0.1:${server.port}`, ['v1', 'v2', 'v3']);
    sockets.push(peer);
    await next(peer, 'open');
    expect([peer.protocol, (await accepted)[0].protocol]).toEqual(['v2', 'v2']);
    expect((await connected(server)).socket.protocol).toBe('');
  });

  test('authorize decides, at once or later, and sees the request', async () => {
    const server = serve({
      authorize: ({ url, headers }) => {
        if (url === '/later') return Promise.resolve(headers.origin === 'https://example.org');
        if (url === '/teapot') return { status: 418, reason: 'I am a teapot' };
        return url === '/yes';
      },
    });
    const origin = 'https://example.org';
    await next(dial(server, '/yes'), 'open');
    await next(dial(server, '/later', { origin }), 'open');
    const refusals = ['/no', '/later', '/teapot'].map(async (path) => {
      return String((await next(dial(server, path), 'error'))[0]);
    });
    expect(await Promise.all(refusals)).toEqual([
      expect.stringContaining('403'),
      expect.stringContaining('403'),
      expect.stringContaining('418'),
    ]);
    expect(server.clients.size).toBe(2);
  });

  test('a client that goes away while it is being authorized leaves nothing behind', async () => {
    let decide: (yes: boolean) => void = () => {};
    const asked = jest.fn();
    const server = serve({
      authorize: () => {
        asked();
        return new Promise((resolve) => {
          decide = resolve;
        });
      },
    });
    const opened = jest.fn();
    server.on('connection', opened);
    const peer = await client(server.port);
    peer.write(asRequest(UPGRADE));
    await until(() => asked.mock.calls.length === 1);
    peer.resetAndDestroy();
    await new Promise((done) => setTimeout(done, 20));
    decide(true);
    await connected(serve());
    expect(opened).not.toHaveBeenCalled();
    expect(server.clients.size).toBe(0);
  });

  test('authorize that fails is a 500, and an uncaught exception', async () => {
    const loop = new EventLoop();
    const thrown = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
    const server = serve({
      loop,
      authorize: ({ url }) => {
        if (url === '/later') return Promise.reject(new Error('later'));
        throw new Error('now');
      },
    });
    for (const path of ['/now', '/later']) {
      expect(String((await next(dial(server, path), 'error'))[0])).toMatch('500');
    }
    expect(thrown.mock.calls.map(([error]) => (error as Error).message)).toEqual(['now', 'later']);
    server.destroy();
    await until(() => server.clients.size === 0);
    loop.close();
  });

  test('a plain request gets a 426, or whatever the program answers', async () => {
    const server = serve();
    const ask = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const request = httpRequest({ port: server.port, host: '127.0.0.1', agent: false });
        request.on('error', reject);
        request.on('response', (response) => {
          let body = '';
          response.on('data', (chunk) => {
            body += chunk;
          });
          response.on('end', () => resolve(`${response.statusCode} ${body}`));
        });
        request.end();
      });
    expect(await ask()).toBe('426 this server speaks WebSocket only\n');
    server.on('request', (request, response) => response.end(`page ${request.url}`));
    expect(await ask()).toBe('200 page /');
  });
});

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
