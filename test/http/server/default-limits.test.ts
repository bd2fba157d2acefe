/**
 * A server whose program set no limits: what holds by default, and that the same limits, small, spare
 * an honest client beside strangers of each kind.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { serveHttp } from '../../../src/http/server/serve-http';
import { serveHttps } from '../../../src/http/server/serve-https';
import type { StreamServer } from '../../../src/net/server/stream-server';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { getSocketOption } from '../../../src/net/socket/options';
import { RLIMIT_NOFILE } from '../../../src/sys/constants';
import { prlimit, type ResourceLimit } from '../../../src/sys/resource-limit';
import { WebSocketServer } from '../../../src/ws/web-socket-server';
import { certificate } from '../../support/certificate';
import { client, receive, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { ask } from '../../support/http-client';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const open: StreamServer[] = [];
afterEach(async () => {
  for (const server of open) server.destroy();
  await until(() => open.every(({ connections }) => connections.size === 0));
  open.length = 0;
});

function opened<S extends StreamServer>(server: S): S {
  open.push(server);
  return server;
}

function tcpServer(options: Partial<ConstructorParameters<typeof TcpServer>[0]> = {}): TcpServer {
  return opened(new TcpServer({ port: 0, ...options }));
}

const OPEN_LIMITS = {
  maxConnections: Infinity,
  idleTimeoutMs: 0,
  writeTimeoutMs: 0,
  lifetimeMs: 0,
  minReadRate: null,
};
const HTTP_LIMITS = {
  ...OPEN_LIMITS,
  maxConnections: connections(16_384),
  writeTimeoutMs: 60_000,
  minReadRate: { bytesPerSecond: 100, windowMs: 60_000 },
};

/** As the process has fds. */
function connections(most: number): number {
  const limit: ResourceLimit = { soft: 0, hard: 0 };
  prlimit(0, RLIMIT_NOFILE, null, limit);
  return Math.min(most, Math.floor(Number(limit.soft) * 0.75));
}

describe('what holds by default', () => {
  test('a raw server has no limits', () => {
    const tcp = tcpServer();
    expect(tcp.limits).toEqual(OPEN_LIMITS);
    expect(getSocketOption(tcp.fd, 'keepAlive')).toBe(false);
  });

  test('serveHttp and serveHttps have all, on TCP and on unix sockets', () => {
    const tls = certificate();
    const servers = [0, 1].map(() => [
      tcpServer(),
      opened(new UnixServer({ path: `\0limits-${process.pid}-${Math.random()}` })),
    ]);
    for (const server of servers[0] as StreamServer[]) serveHttp(server);
    for (const server of servers[1] as StreamServer[]) serveHttps(server, tls);
    for (const server of servers.flat()) expect(server.limits).toEqual(HTTP_LIMITS);
  });

  test('the kernel asks whether the client of a connection is still there', async () => {
    const tcp = tcpServer();
    serveHttp(tcp);
    await client(tcp.port);
    await until(() => tcp.connections.size === 1);
    for (const { fd } of tcp.connections) {
      expect(getSocketOption(fd, 'keepAlive')).toBe(true);
      expect(getSocketOption(fd, 'keepAliveIdleSeconds')).toBe(60);
      expect(getSocketOption(fd, 'keepAliveIntervalSeconds')).toBe(10);
      expect(getSocketOption(fd, 'keepAliveCount')).toBe(6);
    }
  });

  test('a WebSocketServer has them on its own listener, and on a given one', async () => {
    const own = new WebSocketServer({ port: 0 });
    opened(own.server);
    const maxConnections = connections(65_536);
    expect(own.server.limits).toEqual({ ...HTTP_LIMITS, maxConnections, writeTimeoutMs: 10_000 });
    const given = tcpServer();
    new WebSocketServer({ server: given });
    expect(given.limits).toEqual({ ...HTTP_LIMITS, maxConnections, writeTimeoutMs: 10_000 });
  });

  test('shared by HTTP and WebSockets, the more generous ones', () => {
    const shared = tcpServer();
    new WebSocketServer({ server: shared, path: '/chat' });
    serveHttp(shared);
    const other = tcpServer();
    serveHttp(other);
    new WebSocketServer({ server: other, path: '/chat' });
    const maxConnections = connections(65_536);
    for (const { limits } of [shared, other]) {
      expect(limits).toEqual({ ...HTTP_LIMITS, maxConnections });
    }
  });

  test('what the program gave stays, also none', () => {
    const none = {
      maxConnections: Infinity,
      idleTimeoutMs: 0,
      writeTimeoutMs: 0,
      lifetimeMs: 0,
      minReadRate: null,
    };
    const some = {
      maxConnections: 7,
      idleTimeoutMs: 1_000,
      writeTimeoutMs: 2_000,
      lifetimeMs: 3_000,
      minReadRate: { bytesPerSecond: 4, windowMs: 5_000 },
    };
    for (const given of [none, some]) {
      const tcp = tcpServer(given);
      serveHttp(tcp);
      new WebSocketServer({ server: tcp, path: '/chat' });
      expect(tcp.limits).toEqual(given);
      const { server } = new WebSocketServer({ port: 0, ...given });
      expect(opened(server).limits).toEqual(given);
    }
    const undefinedOnes = Object.fromEntries(Object.keys(none).map((name) => [name, undefined]));
    const tcp = tcpServer(undefinedOnes);
    serveHttp(tcp);
    expect(tcp.limits).toEqual(HTTP_LIMITS);
  });

  test.each([0, 1.5, '8', null])('maxConnections: %p is refused', (maxConnections) => {
    expect(() => tcpServer({ maxConnections: maxConnections as number })).toThrow(
      /option "maxConnections" of TcpServer: expected a whole number from 1 on, or Infinity/,
    );
  });
});

/** The defaults, but much shorter, and node:http's likewise; long enough for handshakes of TLS. */
const SHORT = { writeTimeoutMs: 400, minReadRate: { bytesPerSecond: 200, windowMs: 1_000 } };
const SHORT_OF_NODE = {
  headersTimeout: 5_000,
  keepAliveTimeout: 200,
  keepAliveTimeoutBuffer: 0,
  connectionsCheckingInterval: 50,
};
const BIG = Buffer.alloc(8 * 1024 * 1024);
const TLS = certificate();

type Speech = 'http' | 'https' | 'WebSocketServer';

/** A server that answers at once, or `/later`, and what is asked there. */
function site(speech: Speech) {
  const later: ServerResponse[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url === '/later') later.push(response);
    else response.end(request.url === '/big' ? BIG : 'hello');
  };
  const server = tcpServer();
  if (speech === 'http') serveHttp(server, SHORT_OF_NODE, listener);
  else if (speech === 'https') serveHttps(server, { ...SHORT_OF_NODE, ...TLS }, listener);
  else new WebSocketServer({ server, handshakeTimeoutMs: 5_000 }).on('request', listener);
  server.limitByDefault(SHORT);
  let accepted = 0;
  server.on('connection', () => {
    accepted += 1;
  });
  return { server, port: server.port, later, accepted: () => accepted };
}

async function stranger(port: number, speech: Speech): Promise<Socket> {
  const socket = await client(port);
  if (speech !== 'https') return socket;
  const secure = tlsConnect({ socket, ca: TLS.cert, servername: 'localhost' });
  secure.on('error', () => {});
  await next(secure, 'secureConnect');
  return secure;
}

const HEAD = (method: string, path = '/', fields = ''): string =>
  `${method} ${path} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`;

/** Write `text` a byte at a time, until the connection is closed. */
function drip(socket: Socket, text: string): void {
  socket.write(text);
  // A byte is some 22 under TLS: slower than the rate with those, too.
  const timer = setInterval(() => socket.write('x'), 200);
  socket.once('close', () => clearInterval(timer));
}

/** What strangers do to a server, each until it is cut. */
const STRANGERS: Record<string, (socket: Socket) => void> = {
  'says nothing': () => {},
  'sends its head by bytes': (socket) => drip(socket, 'GET / HTTP/1.1\r\nHost: x\r\nX-A: '),
  'sends its body by bytes': (socket) =>
    drip(socket, HEAD('POST', '/later', 'Content-Length: 1000000\r\n')),
  'sends half a body': (socket) =>
    void socket.write(`${HEAD('POST', '/later', 'Transfer-Encoding: chunked\r\n')}9\r\nhal`),
  'never reads': (socket) => void socket.write(HEAD('GET', '/big').repeat(4)),
  'asks once, and stays': (socket) => void socket.write(HEAD('GET')),
};

describe.each<Speech>(['http', 'https', 'WebSocketServer'])('strangers of %s', (speech) => {
  test('are cut, each for its own reason, and no other client is', async () => {
    const { server, port, later, accepted } = site(speech);
    const patient = await Promise.all([stranger(port, speech), stranger(port, speech)]);
    patient[0]?.write(HEAD('GET', '/later'));
    // Nobody reads this body, so that its request has no `end`.
    patient[1]?.write(`${HEAD('POST', '/later', 'Content-Length: 5\r\n')}hello`);
    await until(() => later.length === 2);
    const strangers = await Promise.all(
      Object.values(STRANGERS).map(async (does) => {
        const sockets = await Promise.all([0, 1].map(() => stranger(port, speech)));
        for (const socket of sockets) {
          socket.pause();
          does(socket);
        }
        return sockets;
      }),
    );
    await until(() => accepted() === 14);
    const theirs = [...server.connections];
    let served = 0;
    const ca = speech === 'https' ? { ca: TLS.cert, servername: 'localhost' } : {};
    while (theirs.filter(({ closed }) => !closed).length > 2) {
      expect((await ask({ port, ...ca })).body.toString()).toBe('hello');
      served += 1;
    }
    expect(served).toBeGreaterThan(0);
    for (const response of later.slice(0, 2)) response.end('at last');
    for (const socket of patient) {
      expect((await receive(socket, 12)).toString()).toBe('HTTP/1.1 200');
    }
    for (const socket of strangers.flat()) socket.destroy();
  });
});

test('a requestTimeout of 0 is a wish for slow requests: there is no read rate', async () => {
  const tcp = tcpServer();
  const http = serveHttp(tcp, SHORT_OF_NODE, (request, response) => {
    request.resume().once('end', () => response.end('hello'));
  });
  http.requestTimeout = 0;
  tcp.limitByDefault(SHORT);
  const slow = await client(tcp.port);
  slow.write(`${HEAD('POST', '/', 'Content-Length: 5\r\n')}hell`);
  // Another server's clients show that time has passed.
  const { port, server } = site('http');
  await receiveAll(await client(port));
  await receiveAll(await client(port));
  expect(server.connections.size).toBe(0);
  slow.write('o');
  expect((await receive(slow, 12)).toString()).toBe('HTTP/1.1 200');
});

test('a TLS handshake that does not come is cut, by the read rate and by handshakeTimeout', async () => {
  const rated = site('https');
  await receiveAll(await client(rated.port));
  const tcp = tcpServer({ minReadRate: null });
  serveHttps(tcp, { ...TLS, handshakeTimeout: 200 });
  await receiveAll(await client(tcp.port));
});
