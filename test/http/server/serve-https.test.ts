/** HTTPS on our connections: addresses, deadlines, and above all an end that loses no answer. */
import { constants, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, type Server } from 'node:https';
import { Readable } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { serveHttps } from '../../../src/http/server/serve-https';
import { TcpServer, type TcpServerOptions } from '../../../src/net/server/tcp-server';
import { certificate, withOpenssl } from '../../support/certificate';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { ask } from '../../support/http-client';
import { next, until } from '../../support/until';

expectNoFdLeaks();

let tcp: TcpServer;
const clients: TLSSocket[] = [];
afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

function serve(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  options: Partial<TcpServerOptions> = {},
  secureOptions = 0,
): Server {
  tcp = new TcpServer({ port: 0, ...options });
  return serveHttps(tcp, { ...certificate(), secureOptions }, listener);
}

/** A client that reads nothing until it is asked to, with its request on the way. */
async function client(request: string): Promise<TLSSocket> {
  const socket = connectTls({ port: tcp.port, ca: certificate().cert, servername: 'localhost' });
  clients.push(socket);
  await next(socket, 'secureConnect');
  socket.write(request);
  return socket;
}

async function allOf(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
}

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

withOpenssl('a request is answered, and its socket knows the addresses', async () => {
  serve(({ socket }, response) => {
    const { remoteAddress, remoteFamily, localAddress, localPort } = socket;
    response.end(JSON.stringify([remoteAddress, remoteFamily, localAddress, localPort]));
  });
  const { status, body } = await ask({ port: tcp.port, ca: certificate().cert });
  expect(status).toBe(200);
  expect(JSON.parse(body.toString())).toEqual(['127.0.0.1', 'IPv4', '127.0.0.1', tcp.port]);
});

withOpenssl('the addresses are known also if the handshake ends between two portions', async () => {
  const answer = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    response.end(socket.remoteAddress);
  };
  const https = serve(answer, {}, constants.SSL_OP_NO_TICKET);
  // TLS 1.2 without tickets waits with its last step until the session is stored.
  let stored = 0;
  https.on('newSession', (_id, _data, done) => {
    stored += 1;
    setImmediate(done);
  });
  const options = { port: tcp.port, ca: certificate().cert, maxVersion: 'TLSv1.2' } as const;
  expect((await ask(options)).body.toString()).toBe('127.0.0.1');
  expect(stored).toBe(1);
});

withOpenssl('close of the server closes the one below, and what is idle', async () => {
  const responses: ServerResponse[] = [];
  const https = serve((request, response) => {
    if (request.url === '/idle') response.end('fine');
    else responses.push(response);
  });
  const agent = new Agent({ keepAlive: true });
  await ask({ port: tcp.port, ca: certificate().cert, agent, path: '/idle' });
  const busy = await client(GET);
  await until(() => responses.length > 0 && tcp.connections.size === 2);
  const closed: unknown[] = [];
  https.close((error) => closed.push(error));
  await until(() => tcp.connections.size === 1);
  expect([tcp.listening, closed]).toEqual([false, []]);
  responses[0]?.end('late');
  const text = await next<[Buffer]>(busy, 'data');
  expect(String(text)).toMatch(/^HTTP\/1.1 200 OK/);
  busy.end();
  await until(() => closed.length > 0);
  expect(closed).toEqual([undefined]);
  agent.destroy();
});

withOpenssl(
  'shutdown finishes an answer under way, although its head was sent',
  async () => {
    // In pieces: most of them are written after the shutdown.
    const piece = randomBytes(100_000);
    const body = Buffer.concat(Array(200).fill(piece)).toString('latin1');
    serve((_request, response) => {
      response.setHeader('Content-Length', body.length);
      Readable.from(Array<Buffer>(200).fill(piece)).pipe(response);
    });
    const socket = await client(GET);
    await until(() => [...tcp.connections].some(({ queuedBytes }) => queuedBytes > 0));
    const result = tcp.shutdown({ deadlineMs: 100_000 });
    const all = await allOf(socket);
    expect(all.slice(all.indexOf('\r\n\r\n') + 4) === body).toBe(true);
    expect(await result).toEqual({ ended: 1, cut: 0 });
  },
  120_000,
);

withOpenssl('shutdown lets an answer be made, with Connection: close', async () => {
  const responses: ServerResponse[] = [];
  serve((_request, response) => responses.push(response));
  const socket = await client(GET);
  await until(() => responses.length > 0);
  const result = tcp.shutdown({ deadlineMs: 100_000 });
  await until(() => responses[0]?.shouldKeepAlive === false);
  responses[0]?.end('late');
  expect(await allOf(socket)).toMatch(/connection: close[\s\S]*\r\n\r\nlate$/i);
  expect(await result).toEqual({ ended: 1, cut: 0 });
});

withOpenssl('shutdown closes what is idle, and cuts what does not end', async () => {
  const asked: string[] = [];
  serve((request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/idle') response.end('fine');
  });
  const agent = new Agent({ keepAlive: true });
  const options = { port: tcp.port, ca: certificate().cert, agent };
  expect((await ask({ ...options, path: '/idle' })).body.toString()).toBe('fine');
  await client(GET.replace('/', '/never'));
  await until(() => asked.includes('/never') && tcp.connections.size === 2);
  const result = tcp.shutdown({ deadlineMs: 100_000 });
  await until(() => tcp.connections.size === 1);
  void tcp.shutdown({ deadlineMs: 0 });
  expect(await result).toEqual({ ended: 1, cut: 1 });
  agent.destroy();
});

withOpenssl('an upgraded connection gets the event shutdown, and is not closed', async () => {
  const https = serve(() => {});
  let told = 0;
  https.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    socket.on('shutdown', () => {
      told += 1;
      socket.end('good-bye');
    });
  });
  const upgrade = GET.replace('Host', 'Connection: Upgrade\r\nUpgrade: x\r\nHost');
  const socket = await client(upgrade);
  await next(socket, 'readable');
  const result = tcp.shutdown({ deadlineMs: 100_000 });
  expect(await allOf(socket)).toMatch(/\r\n\r\ngood-bye$/);
  expect([told, await result]).toEqual([1, { ended: 1, cut: 0 }]);
});

withOpenssl(
  'a client that owes a request is cut, one that waits for its answer is not',
  async () => {
    const responses: ServerResponse[] = [];
    const rate = { bytesPerSecond: 1_000_000, windowMs: 5_000 };
    serve((_request, response) => responses.push(response), { minReadRate: rate });
    const good = await client(GET.replace('Host', 'Connection: close\r\nHost'));
    await until(() => responses.length > 0);
    const slow = await client('GET / HTTP/1.1\r\nHost');
    slow.on('error', () => {});
    slow.resume();
    await next(slow, 'close');
    responses[0]?.end('in time');
    expect(await allOf(good)).toMatch(/\r\n\r\nin time$/);
  },
);

test('what is no server of ours is refused', () => {
  tcp = new TcpServer({ port: 0 });
  expect(() => serveHttps(8443 as never, {})).toThrow(/"server" argument must be a TcpServer/);
});
