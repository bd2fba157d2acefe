import { randomBytes } from 'node:crypto';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import {
  Agent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { client, receive, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { nodeTurns } from '../../support/marker';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';

expectNoFdLeaks();

let tcp: TcpServer;
let http: Server;
beforeEach(() => {
  tcp = new TcpServer({ port: 0, trigger: 'edge' });
  http = serveHttp(tcp);
});
afterEach(async () => {
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

interface Answer {
  status: number | undefined;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** One request of node:http's own client. */
function ask(options: RequestOptions = {}, body?: Buffer | string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port: tcp.port, host: '127.0.0.1', agent: false, ...options });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const { statusCode: status, headers } = response;
        resolve({ status, headers, body: Buffer.concat(chunks) });
      });
    });
    request.end(body);
  });
}

test('a request is answered', async () => {
  http.on('request', (request, response) => response.end(`${request.method} ${request.url}`));
  const { status, body } = await ask({ path: '/a?b=c' });
  expect([status, body.toString()]).toEqual([200, 'GET /a?b=c']);
});

test('bodies of megabytes go through both ways, with a length and chunked', async () => {
  http.on('request', (request, response) => request.pipe(response));
  const body = randomBytes(5_000_000);
  const chunked = await ask({ method: 'POST' }, body);
  expect(sha(chunked.body)).toBe(sha(body));
  const length = { 'Content-Length': String(body.length) };
  const sized = await ask({ method: 'POST', headers: length }, body);
  expect(sha(sized.body)).toBe(sha(body));
});

test('a connection is kept alive for many requests, and pipelined ones are answered in order', async () => {
  http.on('request', (request, response) => {
    void nodeTurns(request.url === '/1' ? 20 : 1).then(() => response.end(`<${request.url}>`));
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let round = 0; round < 5; round += 1) await ask({ agent });
  expect(tcp.connections.size).toBe(1);
  agent.destroy();
  const peer = await client(tcp.port);
  let answers = '';
  peer.on('data', (chunk: Buffer) => {
    answers += chunk;
  });
  peer.write(['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
  await until(() => answers.includes('</3>'));
  expect(answers.match(/<[^>]+>/g)).toEqual(['</1>', '</2>', '</3>']);
});

test('100-continue is answered before the body is sent', async () => {
  http.on('request', (request, response) => request.pipe(response));
  const peer = await client(tcp.port);
  peer.write('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  expect((await receive(peer, 25)).toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  peer.end('ok');
  expect((await receiveAll(peer)).toString()).toMatch(/ok/);
});

test('the server sees the peer’s address', async () => {
  http.on('request', ({ socket }, response) => {
    response.end(`${socket.remoteAddress} ${socket.remotePort === undefined}`);
  });
  expect((await ask()).body.toString()).toBe('127.0.0.1 false');
});

test('text that is no HTTP gets a 400, and no other client is disturbed', async () => {
  http.on('request', (_request, response) => response.end('fine'));
  const peer = await client(tcp.port);
  peer.write('this is not HTTP\r\n\r\n');
  expect((await receiveAll(peer)).toString()).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
  expect((await ask()).body.toString()).toBe('fine');
});

test('a head that is too large gets a 431', async () => {
  const peer = await client(tcp.port);
  peer.write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}`);
  expect((await receiveAll(peer)).toString()).toMatch(/^HTTP\/1.1 431 /);
});

test('a head that takes too long gets a 408', async () => {
  const slow = new TcpServer({ port: 0 });
  serveHttp(slow, { headersTimeout: 100, connectionsCheckingInterval: 50 });
  const peer = await client(slow.port);
  peer.write('GET / HTTP/1.1\r\nHo');
  expect((await receiveAll(peer)).toString()).toMatch(/^HTTP\/1.1 408 /);
  slow.destroy();
});

test('an idle connection is closed after keepAliveTimeout', async () => {
  const answer: RequestListener = (_request, response) => response.end('ok');
  const patient = new TcpServer({ port: 0 });
  serveHttp(patient, { keepAliveTimeout: 600_000 }, answer);
  http.keepAliveTimeout = 50;
  http.on('request', answer);
  const peers = [await client(patient.port), await client(tcp.port)] as const;
  for (const peer of peers) peer.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await Promise.all([receive(peers[0], 1), receiveAll(peers[1])]);
  await until(() => tcp.connections.size === 0);
  expect(patient.connections.size).toBe(1);
  patient.destroy();
});

test('a client that goes away in the middle aborts the request', async () => {
  const aborted = new Promise((resolve) => {
    http.on('request', (request) => request.on('close', () => resolve(request.complete)));
  });
  const peer = await client(tcp.port);
  peer.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
  await next(http, 'request');
  peer.resetAndDestroy();
  expect(await aborted).toBe(false);
});

test('a client that does not read slows the writer down, and gets everything when it does', async () => {
  let written = 0;
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const total = 40_000_000;
  http.on('request', (_request, response) => {
    response.writeHead(200, { 'Content-Length': String(total), Connection: 'close' });
    const more = (): void => {
      while (written < total) {
        const size = Math.min(chunk.length, total - written);
        written += size;
        if (!response.write(chunk.subarray(0, size))) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  });
  const peer = await client(tcp.port);
  peer.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  let last = -1;
  // The writer stops when the socket buffers are full.
  await until(() => {
    const stopped = written > 0 && written === last;
    last = written;
    return stopped;
  });
  expect(written).toBeLessThan(total);
  const all = await receiveAll(peer);
  expect(all.length - all.indexOf('\r\n\r\n') - 4).toBe(total);
});

test('an upgrade hands over the stream, with the bytes behind the request', async () => {
  http.on('upgrade', (_request, socket, head) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    socket.write(`head ${head}`);
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
  });
  const peer = await client(tcp.port);
  peer.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nfirst');
  const expected = 'HTTP/1.1 101 Switching Protocols\r\n\r\nhead first';
  expect((await receive(peer, expected.length)).toString()).toBe(expected);
  peer.write('echo');
  expect((await receive(peer, 4)).toString()).toBe('echo');
});

test('closing the TCP server closes the HTTP server', async () => {
  const closed = next(http, 'close');
  tcp.close();
  await closed;
});

describe('a shutdown of the server', () => {
  const LONG_MS = 60_000;
  const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

  test('closes idle connections at once, and lets those with a response finish', async () => {
    const answers: (() => void)[] = [];
    http.keepAliveTimeout = LONG_MS;
    http.on('request', ({ url }, response) => {
      if (url === '/idle') return void response.end('idle');
      if (url === '/begun') response.write('begun ');
      answers.push(() => response.end('finished'));
    });
    const idle = await client(tcp.port);
    idle.write(GET.replace('/', '/idle'));
    expect((await receive(idle, 20)).toString()).toMatch('HTTP/1.1 200 OK');
    const busy = await Promise.all(['/begun', '/asked'].map(() => client(tcp.port)));
    for (const [index, path] of ['/begun', '/asked'].entries()) {
      busy[index]?.write(GET.replace('/', path));
      await until(() => answers.length === index + 1);
    }
    const result = tcp.shutdown({ deadlineMs: LONG_MS });
    await receiveAll(idle);
    expect(tcp.connections.size).toBe(2);
    for (const finish of answers) finish();
    const [begun, asked] = (await Promise.all(busy.map(receiveAll))).map(String);
    // Its head was sent before anybody knew.
    expect(begun).toMatch(/Connection: keep-alive.*begun .*finished/s);
    expect(asked).toMatch(/Connection: close.*finished$/s);
    expect(await result).toEqual({ ended: 3, cut: 0 });
  });

  test('does not cut a response that was written but is not sent yet', async () => {
    const body = Buffer.alloc(8_000_000, 'x');
    http.on('request', (_request, response) => {
      response.writeHead(200, { 'Content-Length': String(body.length) });
      response.end(body);
    });
    const peer = await client(tcp.port);
    peer.pause();
    peer.write(GET);
    await until(() => [...tcp.connections].some(({ queuedBytes }) => queuedBytes > 0));
    const result = tcp.shutdown({ deadlineMs: LONG_MS });
    // The idle ones are looked for in the turn after the next.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const all = await receiveAll(peer);
    expect(all.length - all.indexOf('\r\n\r\n') - 4).toBe(body.length);
    expect(await result).toEqual({ ended: 1, cut: 0 });
  });

  test('waits for the answer of who expects 100-continue, and no longer', async () => {
    http.keepAliveTimeout = 100 * LONG_MS;
    const answers: ServerResponse[] = [];
    http.on('checkContinue', (_request, response) => answers.push(response));
    const peer = await client(tcp.port);
    peer.write(GET.replace('Host', 'Expect: 100-continue\r\nHost'));
    await until(() => answers.length === 1);
    const result = tcp.shutdown({ deadlineMs: LONG_MS });
    await until(() => answers[0]?.shouldKeepAlive === false);
    answers[0]?.end('finished');
    expect((await receiveAll(peer)).toString()).toMatch(/Connection: close.*finished$/s);
    expect(await result).toEqual({ ended: 1, cut: 0 });
  });

  test('does not cut the answer that waits behind one that is not sent yet, and makes it the last', async () => {
    const body = Buffer.alloc(8_000_000, 'x');
    const waiting: (() => void)[] = [];
    http.keepAliveTimeout = LONG_MS;
    http.on('request', ({ url }, response) => {
      if (url === '/first') response.end('first');
      else if (url === '/long') response.end(body);
      else waiting.push(() => response.end('last'));
    });
    const peer = await client(tcp.port);
    peer.write(GET.replace('/', '/first'));
    expect((await receive(peer, 12)).toString()).toBe('HTTP/1.1 200');
    peer.pause();
    peer.write(GET.replace('/', '/long') + GET.replace('/', '/waiting'));
    await until(() => waiting.length === 1);
    const result = tcp.shutdown({ deadlineMs: LONG_MS });
    // The idle ones are looked for in the turn after the next.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    waiting[0]?.();
    const all = (await receiveAll(peer)).toString('latin1');
    expect(all.slice(all.lastIndexOf('HTTP/1.1'))).toMatch(/Connection: close\r\n.*\r\nlast$/s);
    expect(await result).toEqual({ ended: 1, cut: 0 });
  });

  test('leaves a connection to its listener of shutdown', async () => {
    const told: string[] = [];
    http.on('connection', (socket) => socket.on('shutdown', () => told.push('shutdown')));
    http.keepAliveTimeout = LONG_MS;
    http.on('request', (_request, response) => response.end('answer'));
    const peer = await client(tcp.port);
    peer.write(GET);
    expect((await receive(peer, 12)).toString()).toBe('HTTP/1.1 200');
    const result = tcp.shutdown({ deadlineMs: LONG_MS });
    await until(() => told.length === 1);
    // The idle ones would be looked for in the turn after the next.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(tcp.connections.size).toBe(1);
    peer.end();
    await receiveAll(peer);
    expect(await result).toEqual({ ended: 1, cut: 0 });
  });

  test('answers a request that has arrived, and one of a client that is new', async () => {
    http.keepAliveTimeout = LONG_MS;
    http.on('request', (_request, response) => response.end('answer'));
    const [fresh, kept] = [await client(tcp.port), await client(tcp.port)];
    kept.write(GET);
    expect((await receive(kept, 12)).toString()).toBe('HTTP/1.1 200');
    await until(() => tcp.connections.size === 2);
    // It is in the kernel at once, and nobody has had a turn to read it.
    kept.write(GET.replace('/', '/last'));
    const result = tcp.shutdown({ deadlineMs: LONG_MS });
    expect((await receiveAll(kept)).toString()).toMatch(/answer.*answer$/s);
    fresh.write(GET);
    expect((await receiveAll(fresh)).toString()).toMatch(/Connection: close.*answer$/s);
    expect(await result).toEqual({ ended: 2, cut: 0 });
  });

  test('cuts a response that does not end in time', async () => {
    http.on('request', (_request, response) => response.write('for ever'));
    const peer = await client(tcp.port);
    peer.write(GET);
    expect((await receive(peer, 12)).toString()).toBe('HTTP/1.1 200');
    expect(await tcp.shutdown({ deadlineMs: 50 })).toEqual({ ended: 0, cut: 1 });
  });

  test('leaves an upgraded stream to its taker', async () => {
    http.on('upgrade', (_request, socket) => {
      socket.on('shutdown', () => socket.end('bye'));
      socket.resume().write('taken');
    });
    const peer = await client(tcp.port);
    peer.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    expect((await receive(peer, 5)).toString()).toBe('taken');
    const result = tcp.shutdown({ deadlineMs: LONG_MS });
    expect((await receiveAll(peer)).toString()).toBe('bye');
    expect(await result).toEqual({ ended: 1, cut: 0 });
  });
});

test('the listener may stand where the options would, as of http.createServer', async () => {
  const server = new TcpServer({ port: 0 });
  serveHttp(server, (_request, response) => response.end('short'));
  const { body } = await ask({ port: server.port });
  expect(body.toString()).toBe('short');
  server.destroy();
  await next(server, 'close');
});

test('what is no server of ours is refused', () => {
  for (const wrong of [undefined, 8080, http, {}]) {
    expect(() => serveHttp(wrong as never)).toThrow(
      /"server" argument must be a TcpServer or UnixServer/,
    );
  }
});
