/** The read-rate deadline under HTTP: who owes a request is judged, and who waits for us is not. */
import { serveHttp } from '../../../src/http/server/serve-http';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { client, receive, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { until } from '../../support/until';

expectNoFdLeaks();
jest.setTimeout(120_000);

let tcp: TcpServer;
beforeEach(() => {
  tcp = new TcpServer({ port: 0, minReadRate: { bytesPerSecond: 100, windowMs: 1_000 } });
});
afterEach(async () => {
  tcp.destroy();
  await until(() => tcp.connections.size === 0);
});

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** Two in turn are cut for saying nothing: so much time has passed for all others, too. */
async function twoWindows(): Promise<void> {
  for (let round = 0; round < 2; round += 1) await receiveAll(await client(tcp.port));
}

test('half a head, and half a body, are cut; a request that is answered slowly is not', async () => {
  const answers: (() => void)[] = [];
  serveHttp(tcp, { keepAliveTimeout: 600_000 }, (request, response) => {
    request.resume();
    answers.push(() => response.end('at last'));
  });
  const whole = await client(tcp.port);
  whole.write(GET);
  await until(() => answers.length === 1);
  const head = await client(tcp.port);
  head.write('GET / HTTP/1.1\r\nHo');
  const body = await client(tcp.port);
  body.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
  const chunked = await client(tcp.port);
  chunked.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf');
  await Promise.all([head, body, chunked].map((peer) => receiveAll(peer)));
  await twoWindows();
  expect(tcp.connections.size).toBe(1);
  answers[0]?.();
  expect((await receive(whole, 8)).toString()).toBe('HTTP/1.1');
  // Kept alive, it owes nothing, until it begins its next request and does not go on.
  await twoWindows();
  expect(tcp.connections.size).toBe(1);
  const rest = receiveAll(whole);
  whole.write('GET');
  await rest;
  expect(tcp.connections.size).toBe(0);
});

test('half a request that came in one segment with a whole one is left to headersTimeout', async () => {
  const options = { headersTimeout: 500, connectionsCheckingInterval: 50 };
  serveHttp(tcp, options, (_request, response) => response.end('first'));
  const peer = await client(tcp.port);
  peer.write(`${GET}GET / HTTP/1.1\r\nHo`);
  const text = (await receiveAll(peer)).toString();
  expect(text).toMatch(/^HTTP\/1.1 200 OK.*first.*408 Request Timeout/s);
});

test('an upgraded connection has no minimum any more', async () => {
  const http = serveHttp(tcp);
  http.on('upgrade', (_request, stream) => {
    stream.on('data', (chunk: Buffer) => stream.write(chunk));
    stream.write('over to you');
  });
  const peer = await client(tcp.port);
  peer.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  expect((await receive(peer, 11)).toString()).toBe('over to you');
  await twoWindows();
  peer.write('still here');
  expect((await receive(peer, 10)).toString()).toBe('still here');
});
