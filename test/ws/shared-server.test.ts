/** Several owners of one server: by path where that can be, and refused by name where not. */
import { request as httpRequest } from 'node:http';
import WebSocket from 'ws';
import { serveHttp } from '../../src/http/server/serve-http';
import { serveHttps } from '../../src/http/server/serve-https';
import { TcpServer } from '../../src/net/server/tcp-server';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next, until } from '../support/until';

expectNoFdLeaks();

const servers: TcpServer[] = [];
const sockets: WebSocket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const server of servers.splice(0)) server.destroy();
});

function listen(): TcpServer {
  const server = new TcpServer({ port: 0, trigger: 'edge' });
  servers.push(server);
  return server;
}

/** A WebSocketServer whose sockets say its name. */
function named(server: TcpServer, name: string, path?: string): WebSocketServer {
  const made = new WebSocketServer({ server, ...(path !== undefined && { path }) });
  return made.on('connection', (socket) => void socket.send(name));
}

async function hello(server: TcpServer, path: string): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`);
  sockets.push(socket);
  const refused = next<[Error]>(socket, 'error').then(([error]) => error.message);
  return Promise.race([
    next<[Buffer]>(socket, 'message').then(([data]) => data.toString()),
    refused,
  ]);
}

function page(server: TcpServer, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ port: server.port, host: '127.0.0.1', path, agent: false });
    asked.on('error', reject).on('response', (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(`${response.statusCode} ${body.trim()}`));
    });
    asked.end();
  });
}

test('two WebSocketServers, and one for all other paths', async () => {
  const server = listen();
  named(server, 'a', '/a');
  named(server, 'b', '/b');
  expect([await hello(server, '/a'), await hello(server, '/b?x')]).toEqual(['a', 'b']);
  expect(await hello(server, '/c')).toMatch('404');
  named(server, 'rest');
  expect([await hello(server, '/a'), await hello(server, '/c')]).toEqual(['a', 'rest']);
});

test('each has its own clients, and one shutdown says goodbye to all', async () => {
  const server = listen();
  const both = [named(server, 'a', '/a'), named(server, 'b', '/b')] as const;
  await Promise.all([hello(server, '/a'), hello(server, '/b')]);
  expect(both.map(({ clients }) => clients.size)).toEqual([1, 1]);
  const codes = Promise.all(sockets.map((socket) => next<[number]>(socket, 'close')));
  await both[0].shutdown({ deadlineMs: 10_000 });
  expect((await codes).map(([code]) => code)).toEqual([1001, 1001]);
  expect(both.map(({ clients }) => clients.size)).toEqual([0, 0]);
});

test.each(['serveHttp first', 'WebSocketServer first'])('serveHttp beside: %s', async (order) => {
  const server = listen();
  const chat = (): WebSocketServer => named(server, 'chat', '/chat');
  const app = (): void => {
    serveHttp(server, (request, response) => response.end(`app ${request.url}`));
  };
  if (order === 'serveHttp first') app();
  chat();
  if (order !== 'serveHttp first') app();
  expect(await Promise.all([hello(server, '/chat'), page(server, '/chat')])).toEqual([
    'chat',
    '200 app /chat',
  ]);
  expect(await hello(server, '/other')).toMatch('404');
});

test('plain requests go to the WebSocketServer of their path, or to one that answers', async () => {
  const server = listen();
  named(server, 'a', '/a');
  expect(await page(server, '/')).toMatch(/^426/);
  named(server, 'b', '/b').on('request', (_request, response) => void response.end('b'));
  named(server, 'c', '/c').on('request', (_request, response) => void response.end('c'));
  const pages = ['/a', '/b', '/c', '/'].map((path) => page(server, path));
  expect(await Promise.all(pages)).toEqual(['200 b', '200 b', '200 c', '200 b']);
});

test('another WebSocket library shares serveHttp, as a listener to upgrades', async () => {
  const server = listen();
  const http = serveHttp(server, (_request, response) => response.end('app'));
  const theirs = new WebSocket.Server({ noServer: true });
  http.on('upgrade', (request, stream, head) => {
    theirs.handleUpgrade(request, stream, head, (socket) => socket.send('theirs'));
  });
  named(server, 'ours', '/ours');
  expect([await hello(server, '/ours'), await hello(server, '/else')]).toEqual(['ours', 'theirs']);
  for (const socket of theirs.clients) socket.terminate();
});

describe('a server that cannot be shared is refused by name, and its owner is not harmed', () => {
  const taken = (message: RegExp): object =>
    expect.objectContaining({ code: 'ERR_SERVER_TAKEN', message: expect.stringMatching(message) });
  const failure = (make: () => unknown): unknown => {
    try {
      return make();
    } catch (error) {
      return error;
    }
  };
  const http = (server: TcpServer): unknown =>
    serveHttp(server, (_q, response) => response.end('1'));
  const https = (server: TcpServer): unknown => serveHttps(server, {});

  test('one path twice, and all paths twice', async () => {
    const server = listen();
    named(server, 'first', '/a');
    named(server, 'rest');
    expect(failure(() => named(server, 'second', '/a'))).toEqual(taken(/path: .*'\/a'/));
    expect(failure(() => named(server, 'second'))).toEqual(taken(/path: .*all paths/));
    expect([await hello(server, '/a'), await hello(server, '/')]).toEqual(['first', 'rest']);
  });

  test('two HTTP servers', async () => {
    const server = listen();
    http(server);
    expect(failure(() => http(server))).toEqual(taken(/serveHttp: .* by serveHttp/));
    expect(failure(() => https(server))).toEqual(taken(/serveHttps: .* by serveHttp/));
    expect(await page(server, '/')).toBe('200 1');
  });

  test('TLS and anything', () => {
    const server = listen();
    https(server);
    expect(failure(() => http(server))).toEqual(taken(/serveHttp: .* by serveHttps/));
    expect(failure(() => https(server))).toEqual(taken(/serveHttps: .* by serveHttps/));
    expect(failure(() => named(server, 'x'))).toEqual(taken(/WebSocketServer: .* by serveHttps/));
    const other = listen();
    named(other, 'x');
    expect(failure(() => https(other))).toEqual(taken(/serveHttps: .* by WebSocketServer/));
  });

  test('a server that could not be made takes nothing', async () => {
    const server = listen();
    expect(() => serveHttp(server, { maxHeaderSize: 'x' as never })).toThrow(/maxHeaderSize/);
    expect(() => serveHttps(server, { key: 'no key' })).toThrow();
    http(server);
    expect(await page(server, '/')).toBe('200 1');
    await until(() => server.listening);
  });
});
