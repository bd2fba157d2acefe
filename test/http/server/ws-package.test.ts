/** The npm package `ws`, server and client, over streams on our connections. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import WebSocket, { WebSocketServer } from 'ws';
import { serveHttp } from '../../../src/http/server/serve-http';
import { connect } from '../../../src/net/client/connect';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { next, until } from '../../support/until';

expectNoFdLeaks();

let tcp: TcpServer;
const clients: WebSocket[] = [];

/** Serve, and give every accepted socket to `onSocket`. */
function serve(onSocket: (socket: WebSocket) => void, perMessageDeflate = false): void {
  const wss = new WebSocketServer({ noServer: true, perMessageDeflate });
  const http = serveHttp(tcp);
  http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    wss.handleUpgrade(request, stream, head, onSocket);
  });
}

async function open(options: WebSocket.ClientOptions = {}): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${tcp.port}`, options);
  clients.push(socket);
  await next(socket, 'open');
  return socket;
}

const echo = (socket: WebSocket): void => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
};

beforeEach(() => {
  tcp = new TcpServer({ port: 0 });
});
afterEach(async () => {
  for (const socket of clients.splice(0)) socket.terminate();
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

describe.each([false, true])('with permessage-deflate: %s', (perMessageDeflate) => {
  test('text and binary, small and of 5 MB, both ways', async () => {
    serve(echo, perMessageDeflate);
    const socket = await open({ perMessageDeflate });
    expect(socket.extensions).toBe(perMessageDeflate ? 'permessage-deflate' : '');
    const big = randomBytes(5_000_000);
    for (const message of ['text', 'ü'.repeat(100_000), Buffer.from([0, 255]), big]) {
      const answered = next<[Buffer, boolean]>(socket, 'message');
      socket.send(message);
      const [data, isBinary] = await answered;
      expect(isBinary).toBe(typeof message !== 'string');
      expect(Buffer.from(message).equals(data)).toBe(true);
    }
  });

  test('1,000 messages at once come in order', async () => {
    serve(echo, perMessageDeflate);
    const socket = await open({ perMessageDeflate });
    const heard: number[] = [];
    socket.on('message', (data) => heard.push(Number(data)));
    for (let count = 0; count < 1_000; count += 1) socket.send(String(count));
    await until(() => heard.length === 1_000);
    expect(heard).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
  });
});

test('close codes, both ways', async () => {
  const told: unknown[] = [];
  serve((socket) => {
    socket.on('close', (code, reason) => told.push(['server', code, String(reason)]));
    socket.on('message', () => socket.close(4_001, 'as you wish'));
  });
  const first = await open();
  const closed = next<[number, Buffer]>(first, 'close');
  first.send('close');
  const [code, reason] = await closed;
  expect([code, String(reason)]).toEqual([4_001, 'as you wish']);
  const second = await open();
  second.close(4_002, 'enough');
  await until(() => told.length === 2 && tcp.connections.size === 0);
  expect(told).toEqual([
    ['server', 4_001, 'as you wish'],
    ['server', 4_002, 'enough'],
  ]);
});

test('a client that is cut: 1006', async () => {
  const closed = new Promise((resolve) => serve((socket) => socket.on('close', resolve)));
  (await open()).terminate();
  expect(await closed).toBe(1_006);
});

test('ping and pong', async () => {
  const payload = new Promise((resolve) => {
    serve((socket) => {
      socket.on('pong', (data) => resolve(String(data)));
      socket.ping('are you there');
    });
  });
  await open();
  expect(await payload).toBe('are you there');
});

test('the client of ws over our own connection', async () => {
  serve(echo);
  const stream = new FdDuplex(await connect({ port: tcp.port }));
  const socket = await open({ createConnection: () => stream as never });
  const message = randomBytes(2_000_000);
  const answered = next<[Buffer]>(socket, 'message');
  socket.send(message);
  expect(message.equals((await answered)[0])).toBe(true);
  socket.close(1_000);
  await until(() => stream.closed);
});
