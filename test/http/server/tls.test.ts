/** node:tls and node:https over streams on our connections, as server and as client. */
import { randomBytes } from 'node:crypto';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import { createServer as createNet } from 'node:net';
import { connect as connectTls, createServer as createTls, TLSSocket } from 'node:tls';
import { connect } from '../../../src/net/client/connect';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { certificate, withOpenssl } from '../../support/certificate';
import { client } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { ask } from '../../support/http-client';
import { next, until } from '../../support/until';

expectNoFdLeaks();

let tcp: TcpServer;
const streams: FdDuplex[] = [];
const secured: TLSSocket[] = [];
beforeEach(() => {
  tcp = new TcpServer({ port: 0 });
});
afterEach(async () => {
  for (const socket of secured.splice(0)) socket.destroy();
  for (const stream of streams.splice(0)) stream.destroy();
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

/** Answer HTTPS on our connections. */
function serveHttps(): HttpsServer {
  const https = createHttps(certificate());
  tcp.on('connection', (connection) => {
    https.emit('connection', new FdDuplex(connection));
  });
  return https;
}

/** The server's side of each TLS connection, by `new TLSSocket`. */
function secureServer(onSocket: (socket: TLSSocket, under: FdDuplex) => void): void {
  tcp.on('connection', (connection) => {
    const stream = new FdDuplex(connection);
    streams.push(stream);
    const socket = new TLSSocket(stream as never, { isServer: true, ...certificate() });
    secured.push(socket);
    onSocket(socket, stream);
  });
}

/** The client's side, over our own connection. */
async function secureClient(port: number): Promise<{ socket: TLSSocket; stream: FdDuplex }> {
  const stream = new FdDuplex(await connect({ port, connectTimeoutMs: 20_000 }));
  streams.push(stream);
  const socket = connectTls({ socket: stream as never, ca: certificate().cert, host: 'localhost' });
  secured.push(socket);
  await next(socket, 'secureConnect');
  return { socket, stream };
}

async function allOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

withOpenssl(
  'an https request is answered, and a body of 10 MB both ways',
  async () => {
    const https = serveHttps();
    https.on('request', (request, response) => request.pipe(response));
    const options = { port: tcp.port, method: 'POST', ca: certificate().cert };
    const small = await ask(options, 'hello');
    expect([small.status, small.body.toString()]).toEqual([200, 'hello']);
    const body = randomBytes(10_000_000);
    expect((await ask(options, body)).body.equals(body)).toBe(true);
  },
  60_000,
);

withOpenssl(
  'a slow client makes the server wait, and gets all of it',
  async () => {
    const https = serveHttps();
    const body = randomBytes(20_000_000);
    let answered = false;
    https.on('request', (_request, response) => {
      response.end(body, () => {
        answered = true;
      });
    });
    const { socket } = await secureClient(tcp.port);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await until(() => [...tcp.connections].some(({ queuedBytes }) => queuedBytes > 0));
    expect(answered).toBe(false);
    const all = await allOf(socket);
    expect(all.subarray(all.indexOf('\r\n\r\n') + 4).equals(body)).toBe(true);
  },
  60_000,
);

withOpenssl(
  'a certificate without a trusted issuer is refused, and the server goes on',
  async () => {
    const https = serveHttps();
    https.on('request', (_request, response) => response.end('fine'));
    https.on('tlsClientError', () => {});
    const strangers = ask({ port: tcp.port, ca: [] });
    await expect(strangers).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    const peer = await client(tcp.port);
    peer.end('this is not TLS\r\n');
    peer.resume();
    await next(peer, 'close');
    expect((await ask({ port: tcp.port, ca: certificate().cert })).body.toString()).toBe('fine');
  },
);

withOpenssl(
  'both sides are ours: an echo of 10 MB, then close_notify on both',
  async () => {
    const ends: string[] = [];
    secureServer((socket) => {
      socket.on('end', () => ends.push('server end'));
      socket.on('error', (error) => ends.push(error.message));
      socket.pipe(socket);
    });
    const { socket, stream } = await secureClient(tcp.port);
    expect(socket.authorized).toBe(true);
    const sent = randomBytes(10_000_000);
    socket.end(sent);
    expect((await allOf(socket)).equals(sent)).toBe(true);
    await until(() => stream.closed && tcp.connections.size === 0);
    expect(ends).toEqual(['server end']);
    expect(socket.errored).toBeNull();
  },
  60_000,
);

withOpenssl(
  'an abrupt cut is no end: the stream emits the error, and both sides close',
  async () => {
    const told: (string | undefined)[] = [];
    secureServer((socket, under) => {
      under.on('error', (error: NodeJS.ErrnoException) => told.push(error.code));
      socket.on('end', () => told.push('end'));
      socket.on('close', () => told.push('close'));
      socket.resume();
    });
    const { socket, stream } = await secureClient(tcp.port);
    socket.on('error', () => {});
    stream.resetAndDestroy();
    await until(() => told.includes('close') && tcp.connections.size === 0);
    expect(told).toEqual(['ECONNRESET', 'close']);
    await until(() => socket.destroyed);
  },
);

withOpenssl('our client and node’s own TLS server', async () => {
  const server = createTls(certificate(), (socket) => socket.pipe(socket));
  server.listen(0, '127.0.0.1');
  await next(server, 'listening');
  const { socket, stream } = await secureClient((server.address() as { port: number }).port);
  const sent = randomBytes(3_000_000);
  socket.end(sent);
  expect((await allOf(socket)).equals(sent)).toBe(true);
  await until(() => stream.closed);
  server.close();
  await next(server, 'close');
});

withOpenssl('a server that does not speak TLS: the client gets an error', async () => {
  const server = createNet((socket) => {
    socket.on('error', () => {});
    socket.resume();
    socket.end('220 welcome\r\n');
  });
  server.listen(0, '127.0.0.1');
  await next(server, 'listening');
  const { port } = server.address() as { port: number };
  const stream = new FdDuplex(await connect({ port }));
  streams.push(stream);
  const socket = connectTls({ socket: stream as never });
  const [error] = await next<[Error]>(socket, 'error');
  expect(error.message).toMatch(/wrong version number|packet length too long/);
  await until(() => socket.destroyed && stream.destroyed);
  server.close();
  await next(server, 'close');
});
