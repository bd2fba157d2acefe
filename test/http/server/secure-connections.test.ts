/** HTTPS on our connections where it is not plain sailing: handshakes, pipelines, take-overs, throwing. */
import { constants } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, ServerOptions } from 'node:https';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { MAX_WAITING } from '../../../src/http/server/request-gate';
import { serveHttps } from '../../../src/http/server/serve-https';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { certificate, withOpenssl } from '../../support/certificate';
import { client } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { next, until } from '../../support/until';

expectNoFdLeaks();

let tcp: TcpServer;
const clients: TLSSocket[] = [];
afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

function serve(listener: Listener, options: ServerOptions = {}): Server {
  tcp = new TcpServer({ port: 0 });
  return serveHttps(tcp, { ...certificate(), ...options }, listener);
}

/** A client of TLS with the text that it has got. */
async function secureClient(options: ConnectionOptions = {}) {
  const host = '127.0.0.1';
  const whom = { host, port: tcp.port, ca: certificate().cert, servername: 'localhost' };
  const socket = connectTls({ ...whom, ...options });
  clients.push(socket);
  const got = { socket, text: '', isEnded: false };
  socket.on('data', (chunk: Buffer) => {
    got.text += chunk.toString('latin1');
  });
  socket.on('end', () => {
    got.isEnded = true;
  });
  await next(socket, 'secureConnect');
  return got;
}

const get = (path: string, fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`;
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: x\r\n';
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';

withOpenssl('who is there stays right when several handshakes end at the same time', async () => {
  const seen: string[] = [];
  const https = serve(
    ({ url, socket }, response) => {
      seen.push(`${url} from ${socket.remoteAddress}`);
      response.end();
    },
    { secureOptions: constants.SSL_OP_NO_TICKET },
  );
  https.on('secureConnection', ({ remoteAddress }) => seen.push(`secure ${remoteAddress}`));
  // TLS 1.2 without tickets waits with its last step until the session is stored.
  const waiting: (() => void)[] = [];
  https.on('newSession', (_id, _data, done) => {
    waiting.push(done);
    if (waiting.length === 2) for (const stored of waiting) stored();
  });
  const visit = async (localAddress: string): Promise<void> => {
    const options = { maxVersion: 'TLSv1.2', localAddress } as ConnectionOptions;
    const visitor = await secureClient(options);
    visitor.socket.write(get(`/${localAddress}`));
    await until(() => visitor.text !== '');
  };
  const first = visit('127.0.0.5');
  await until(() => waiting.length === 1);
  await Promise.all([first, visit('127.0.0.6')]);
  expect(seen.sort()).toEqual([
    '/127.0.0.5 from 127.0.0.5',
    '/127.0.0.6 from 127.0.0.6',
    'secure 127.0.0.5',
    'secure 127.0.0.6',
  ]);
});

for (const said of ['nothing', 'half a hello', 'garbage']) {
  withOpenssl(`a client that ends in the handshake is closed, after ${said}`, async () => {
    const https = serve(() => {});
    const errors: Error[] = [];
    https.on('tlsClientError', (error) => errors.push(error));
    const socket = await client(tcp.port, { allowHalfOpen: true });
    await until(() => tcp.connections.size === 1);
    if (said === 'half a hello') socket.write(Buffer.from('16030102000100', 'hex'));
    if (said === 'garbage') socket.write('GET / HTTP/1.1\r\n\r\n');
    socket.end();
    // Long before the time limit of handshakes, which is two minutes.
    await until(() => tcp.connections.size === 0 && errors.length > 0, 60_000);
    expect(errors).toHaveLength(1);
    socket.destroy();
  });
}

withOpenssl('shutdown answers all requests of a pipeline', async () => {
  const held: ServerResponse[] = [];
  serve((_request, response) => held.push(response));
  const visitor = await secureClient();
  visitor.socket.write(get('/1') + get('/2') + get('/3'));
  await until(() => held.length === 3);
  const result = tcp.shutdown({ deadlineMs: 100_000 });
  await until(() => held.at(-1)?.shouldKeepAlive === false);
  for (const [index, response] of held.entries()) response.end(`answer ${index}`);
  await until(() => visitor.isEnded);
  expect(visitor.text.match(/answer \d/g)).toEqual(['answer 0', 'answer 1', 'answer 2']);
  expect(visitor.text.match(/connection: close/gi)).toHaveLength(1);
  expect(await result).toEqual({ ended: 1, cut: 0 });
});

withOpenssl('shutdown waits for the answer of who expects 100-continue', async () => {
  const https = serve((_request, response) => response.end('first'));
  let held: ServerResponse | undefined;
  https.on('checkContinue', (_request, response) => {
    response.writeContinue();
    held = response;
  });
  const visitor = await secureClient();
  visitor.socket.write(get('/'));
  await until(() => visitor.text.endsWith('first'));
  visitor.socket.write(get('/', 'Expect: 100-continue\r\nContent-Length: 0\r\n'));
  await until(() => held !== undefined);
  const result = tcp.shutdown({ deadlineMs: 100_000 });
  await until(() => held?.shouldKeepAlive === false);
  held?.end('second');
  await until(() => visitor.isEnded);
  expect(visitor.text).toMatch(/second$/);
  expect(await result).toEqual({ ended: 1, cut: 0 });
});

withOpenssl('the shutdown of one connection leaves the others alone', async () => {
  serve((_request, response) => response.end('fine'));
  const visitors = [await secureClient(), await secureClient()];
  for (const { socket } of visitors) socket.write(get('/'));
  await until(() => visitors.every(({ text }) => text.endsWith('fine')));
  const [first, second] = tcp.connections;
  first?.requestEnd();
  await until(() => first?.closed === true);
  const other = visitors.find(({ isEnded }) => !isEnded);
  other?.socket.write(get('/'));
  await until(() => other?.text.match(/fine/g)?.length === 2);
  expect([other?.text.includes('close'), second?.closed]).toEqual([false, false]);
});

for (const way of ['shutdown', 'close']) {
  withOpenssl(`what was taken over after a request stays with its taker at ${way}`, async () => {
    const https = serve((_request, response) => response.end('fine'));
    let taken: NodeJS.WritableStream | undefined;
    https.on('upgrade', (_request, socket) => {
      taken = socket;
      socket.write(SWITCHING);
    });
    const [visitor, idle] = [await secureClient(), await secureClient()];
    for (const { socket } of [visitor, idle]) socket.write(get('/'));
    await until(() => visitor.text.endsWith('fine') && idle.text.endsWith('fine'));
    visitor.socket.write(get('/', UPGRADE));
    await until(() => visitor.text.endsWith(SWITCHING));
    if (way === 'close') https.close();
    else void tcp.shutdown({ deadlineMs: 100_000 });
    await until(() => idle.isEnded);
    taken?.end('good-bye');
    await until(() => visitor.isEnded);
    expect(visitor.text).toMatch(/good-bye$/);
  });
}

withOpenssl('requests that wait for their answers are not read ahead of for ever', async () => {
  const COUNT = 20_000;
  const held: ServerResponse[] = [];
  serve((_request, response) => held.push(response));
  const { socket } = await secureClient();
  socket.on('error', () => {});
  socket.write(get('/').repeat(COUNT));
  await until(() => held.length === MAX_WAITING && [...tcp.connections].some((c) => c.paused));
  const count = held.length;
  expect(count).toBe(MAX_WAITING);
  for (const response of held.slice(0, count)) response.end();
  await until(() => held.length > count);
});

withOpenssl('a listener that throws does not stop the connection', async () => {
  let held: ServerResponse | undefined;
  const https = serve(({ url }, response) => {
    if (url === '/good') return void response.end('fine');
    held = response;
    throw new Error('of a request');
  });
  https.on('secureConnection', () => {
    throw new Error('of a connection');
  });
  const uncaught = jest.spyOn(tcp.loop, 'uncaught').mockImplementation(() => {});
  const visitor = await secureClient();
  visitor.socket.write(get('/bad'));
  await until(() => uncaught.mock.calls.length === 2);
  const raised = uncaught.mock.calls.map(([error]) => String(error));
  uncaught.mockRestore();
  expect(raised).toEqual(['Error: of a connection', 'Error: of a request']);
  // It answers in order, and the first waits for its answer still.
  held?.end('late');
  visitor.socket.write(get('/good'));
  await until(() => /late[\s\S]*fine$/.test(visitor.text));
});

withOpenssl(
  'a listener that throws in the middle of a body costs this connection only',
  async () => {
    let isFlowing = false;
    serve((request, response) => {
      request.on('resume', () => {
        isFlowing = request.url === '/bad';
      });
      request.on('data', () => {
        throw new Error('of a body');
      });
      request.on('end', () => response.end('fine'));
    });
    const uncaught = jest.spyOn(tcp.loop, 'uncaught').mockImplementation(() => {});
    const [bad, good] = [await secureClient(), await secureClient()];
    bad.socket.on('error', () => {});
    bad.socket.write(get('/bad', 'Content-Length: 4\r\n'));
    await until(() => isFlowing);
    // Now the listener is called while the bytes are deciphered.
    bad.socket.write('body');
    good.socket.write(get('/'));
    good.socket.resume();
    await until(() => tcp.connections.size === 1 && good.text.endsWith('fine'));
    expect(uncaught.mock.calls.map(([error]) => String(error))).toEqual(['Error: of a body']);
    uncaught.mockRestore();
  },
);
