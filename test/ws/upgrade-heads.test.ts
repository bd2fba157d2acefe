/** Upgrade requests as proxies, curl and Java clients write them, and as they must not be written. */
import { serveHttp } from '../../src/http/server/serve-http';
import { TcpServer } from '../../src/net/server/tcp-server';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import { client, receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { UPGRADE_REQUEST } from '../support/ws-frames';

expectNoFdLeaks();

const servers: { destroy(): void }[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.destroy();
});

function serve(): WebSocketServer {
  const server = new WebSocketServer({ port: 0, path: '/chat' });
  servers.push(server);
  server.on('request', (request, response) => {
    response.setHeader('Connection', 'close');
    response.end(`page ${request.url}`);
  });
  return server;
}

const request = UPGRADE_REQUEST.replace('GET /', 'GET /chat');

async function answerTo(port: number, text: string): Promise<string> {
  const peer = await client(port);
  peer.write(text);
  const status = (await receive(peer, 12)).toString();
  if (status.endsWith('101')) return status;
  return status + (await receiveAll(peer)).toString();
}

test.each([
  ['the absolute form', request.replace('/chat', 'http://example/chat')],
  ['the absolute form of ws', request.replace('/chat', 'ws://example:80/chat?room=1')],
  ['a list that has it', request.replace('websocket', 'h2c, WebSocket')],
  ['a body of 0 bytes', request.replace('\r\n', '\r\nContent-Length: 0\r\n')],
])('%s is a WebSocket', async (_name, text) => {
  expect(await answerTo(serve().port, text)).toMatch(/ 101$/);
});

test.each([
  ['HTTP/1.0', request.replace('HTTP/1.1', 'HTTP/1.0'), 400],
  ['HTTP/2.0', request.replace('HTTP/1.1', 'HTTP/2.0'), 400],
  ['no Host', request.replace('Host: example\r\n', ''), 400],
  ['two Hosts', request.replace('Host: example', 'Host: example\r\nHost: other'), 400],
  ['a body', `${request.replace('\r\n', '\r\nContent-Length: 5\r\n')}hello`, 400],
  [
    'a chunked body',
    `${request.replace('\r\n', '\r\nTransfer-Encoding: chunked\r\n')}1\r\nx\r\n0\r\n\r\n`,
    400,
  ],
  ['another path, absolute', request.replace('/chat', 'http://example/chatter'), 404],
  ['a host that looks like the path', request.replace('/chat', 'http://chat'), 404],
])('%s is refused', async (_name, text, status) => {
  const server = serve();
  const opened = jest.fn();
  server.on('connection', opened);
  expect(await answerTo(server.port, text)).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
  expect(opened).not.toHaveBeenCalled();
});

/** As curl --http2 and the HttpClient of Java begin each connection. */
const H2C =
  'GET /page HTTP/1.1\r\nHost: example\r\nConnection: Upgrade, HTTP2-Settings\r\n' +
  'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n';

test('a GET that offers h2c is a plain request', async () => {
  expect(await answerTo(serve().port, H2C)).toMatch(/^HTTP\/1.1 200.*page \/page$/s);
});

test('so it is where serveHttp shares the server; but not where the program listens to upgrades', async () => {
  const server = new TcpServer({ port: 0 });
  servers.push(server);
  const http = serveHttp(server, (_request, response) => {
    response.setHeader('Connection', 'close');
    response.end('plain');
  });
  new WebSocketServer({ server, path: '/chat' });
  expect(await answerTo(server.port, H2C)).toMatch(/^HTTP\/1.1 200.*plain/s);
  expect(await answerTo(server.port, request)).toMatch(/ 101$/);
  http.on('upgrade', (_request, stream) => stream.end('HTTP/1.1 299 Mine\r\n\r\n'));
  expect(await answerTo(server.port, H2C)).toMatch(/^HTTP\/1.1 299/);
  expect(await answerTo(server.port, request)).toMatch(/ 101$/);
});
