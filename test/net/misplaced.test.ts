import { WebSocket } from 'ws';
import { serveFiles } from '../../src/http/files/serve-files';
import { connect } from '../../src/net/client/connect';
import { DatagramSocket } from '../../src/net/datagram/socket';
import { TcpServer } from '../../src/net/server/tcp-server';
import { UnixServer } from '../../src/net/server/unix-server';
import { InotifyTree } from '../../src/watch/inotify/tree';
import { Pipe } from '../../src/watch/stream/pipe';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { makeFolder } from '../support/folder';
import { openFds } from '../support/open-fds';
import { next } from '../support/until';

expectNoFdLeaks();

/** As it comes from JavaScript, where no types hold anybody back. */
// biome-ignore lint/suspicious/noExplicitAny: the calls are wrong on purpose
type Untyped = any;

const callback = jest.fn();
afterEach(() => expect(callback).not.toHaveBeenCalled());

const path = `\0epoll-ffi-misplaced-${process.pid}`;
const REFUSED = expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });

test('an option with the name it has elsewhere: the message has the name it has here', () => {
  const makers: Record<string, (options: Untyped) => unknown> = {
    TcpServer: (options) => new TcpServer({ port: 0, ...options }),
    UnixServer: (options) => new UnixServer({ path, ...options }),
    WebSocketServer: (options) => new WebSocketServer({ port: 0, ...options }),
    DatagramSocket: (options) => new DatagramSocket(options),
    InotifyTree: (options) => new InotifyTree(makeFolder(), options),
    serveFiles: (options) => serveFiles(makeFolder(), options),
  };
  for (const [owner, option, there] of [
    ['TcpServer', 'hostname', 'host'],
    ['TcpServer', 'timeout', 'idleTimeoutMs'],
    ['TcpServer', 'path', 'UnixServer'],
    ['UnixServer', 'port', 'TcpServer'],
    ['WebSocketServer', 'verifyClient', 'authorize'],
    ['WebSocketServer', 'maxPayload', 'maxMessageBytes'],
    ['WebSocketServer', 'noServer', 'server'],
    ['DatagramSocket', 'reuseAddr', 'reuseAddress'],
    ['InotifyTree', 'ignored', 'ignore'],
    ['serveFiles', 'maxAge', 'cacheControl'],
  ] as const) {
    const make = makers[owner] as (options: Untyped) => unknown;
    const text = new RegExp(`^Invalid options of ${owner}: .*"${option}".*${option}: see ${there}`);
    expect(() => make({ [option]: 'x' })).toThrow(text);
  }
  const both = (): unknown => new TcpServer({ port: 0, hostname: 'x', timeout: 5 } as Untyped);
  expect(both).toThrow(/\(hostname: see host; timeout: see idleTimeoutMs\)/);
  // Words of every object are no options of anywhere.
  expect(() => new TcpServer({ port: 0, constructor: 1 } as Untyped)).toThrow(/constructor/);
});

test('a callback of connect is refused, and nothing is opened', async () => {
  const before = openFds().size;
  await expect((connect as Untyped)({ port: 1 }, callback)).rejects.toEqual(REFUSED);
  expect(openFds().size).toBe(before);
});

test('a callback of a server is refused before it listens, or closes', async () => {
  const before = openFds().size;
  for (const Server of [TcpServer, UnixServer, WebSocketServer] as Untyped[]) {
    const options = Server === UnixServer ? { path } : { port: 0 };
    expect(() => new Server(options, callback)).toThrow(REFUSED);
  }
  expect(openFds().size).toBe(before);
  using server: Untyped = new TcpServer({ port: 0 });
  expect(() => server.close(callback)).toThrow(/listen to "close"/);
  await expect(server.shutdown({}, callback)).rejects.toEqual(REFUSED);
  expect(server.listening).toBe(true);
  using chat: Untyped = new WebSocketServer({ port: 0 });
  expect(() => chat.close(callback)).toThrow(/listen to "close"/);
  expect(() => chat.close(1001, '', callback)).toThrow(/listen to "close"/);
  expect(chat.server.listening).toBe(true);
});

test('a callback where the data belongs is refused before a byte is sent', async () => {
  using server = new TcpServer({ port: 0 });
  const accepted = next<Untyped[]>(server, 'connection');
  using connection: Untyped = await connect({ port: server.port });
  const [peer] = await accepted;
  expect(() => connection.write('x', callback, callback)).toThrow(REFUSED);
  expect(() => connection.write('x', 'utf8', {})).toThrow(REFUSED);
  expect(() => connection.end(callback)).toThrow(REFUSED);
  connection.end('honest');
  const [chunk] = await next<Buffer[]>(peer, 'data').then((args) => args.map(String));
  expect(chunk).toBe('honest');
});

test('of a pipe and of a datagram socket too', () => {
  using pipe: Untyped = new Pipe();
  expect(() => pipe.writer.write('x', callback, callback)).toThrow(REFUSED);
  expect(() => pipe.writer.end('x', callback)).toThrow(REFUSED);
  expect(pipe.writer.writable).toBe(true);
  using socket: Untyped = new DatagramSocket({ bind: { address: '127.0.0.1', port: 0 } });
  const to = socket.address;
  expect(() => socket.send('x', to, callback)).toThrow(REFUSED);
});

test('of a WebSocket, behind the callback or where there is none', async () => {
  using server = new WebSocketServer({ port: 0 });
  const accepted = next<Untyped[]>(server, 'connection');
  const client = new WebSocket(`ws://127.0.0.1:${server.port}`);
  const [socket] = await accepted;
  expect(() => socket.send('x', callback, callback)).toThrow(REFUSED);
  expect(() => socket.send('x', {}, callback, callback)).toThrow(REFUSED);
  expect(() => socket.ping('', callback, callback)).toThrow(REFUSED);
  expect(() => socket.close(1000, '', callback)).toThrow(/listen to "close"/);
  const message = next<[Buffer]>(client, 'message');
  socket.send('honest');
  expect(String((await message)[0])).toBe('honest');
  client.close();
});
