/** What programs return, throw and send that they should not: nothing of it opens or breaks a socket. */
import type { IncomingMessage } from 'node:http';
import { EventLoop } from '../../src/loop/event-loop';
import { encodeFrame } from '../../src/ws/frame-encoder';
import type { WebSocketConnection } from '../../src/ws/web-socket';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import type { WebSocketServerOptions } from '../../src/ws/web-socket-server-options';
import { client, receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next, until } from '../support/until';
import { BINARY, CLOSE, clientFrame, PING, TEXT, UPGRADE_REQUEST } from '../support/ws-frames';

const loop = new EventLoop();
const uncaught = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
// Before the count of fds, which is taken in the order of these lines.
afterAll(() => loop.close());
expectNoFdLeaks();

const servers: WebSocketServer[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.destroy();
  uncaught.mockClear();
});

function serve(options: Partial<WebSocketServerOptions> = {}): WebSocketServer {
  const server = new WebSocketServer({ port: 0, loop, ...options });
  servers.push(server);
  return server;
}

async function open(server: WebSocketServer): Promise<[WebSocketConnection, IncomingMessage]> {
  const opening = next<[WebSocketConnection, IncomingMessage]>(server, 'connection');
  (await client(server.port)).write(UPGRADE_REQUEST);
  return opening;
}

const NONE: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['0', 0],
  ["'no'", 'no'],
  ["'true'", 'true'],
  ['{}', {}],
  ['{ status: 99 }', { status: 99, reason: 'x' }],
  ['{ status: 101 }', { status: 101, reason: 'x' }],
  ['{ status: 200 }', { status: 200, reason: 'x' }],
  ["{ status: '403' }", { status: '403', reason: 'x' }],
  ['no reason', { status: 403 }],
  ['a header that is two', { status: 403, reason: 'x', headers: { A: 'b\r\nC: d' } }],
];

describe.each(['sync', 'async'])('a verdict that is none, %s', (kind) => {
  test.each(NONE)('%s: 500, and one error', async (_name, verdict) => {
    const authorize = (): never => (kind === 'sync' ? verdict : Promise.resolve(verdict)) as never;
    const server = serve({ authorize });
    const errors: unknown[] = [];
    const opened = jest.fn();
    server.on('error', (error) => errors.push(error)).on('connection', opened);
    const peer = await client(server.port);
    peer.write(UPGRADE_REQUEST);
    expect((await receiveAll(peer)).toString()).toMatch(/^HTTP\/1.1 500 /);
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_INVALID_RETURN_VALUE' })]);
    expect([opened.mock.calls.length, uncaught.mock.calls.length]).toEqual([0, 0]);
  });
});

test('an authorize that throws: an error event with a listener, else uncaught', async () => {
  const thrown = new URIError('a cookie of a stranger');
  for (const isHeard of [true, false]) {
    const server = serve({ authorize: () => Promise.reject(thrown) });
    const errors: unknown[] = [];
    if (isHeard) server.on('error', (error) => errors.push(error));
    const peer = await client(server.port);
    peer.write(UPGRADE_REQUEST);
    expect((await receiveAll(peer)).toString()).toMatch(/^HTTP\/1.1 500 /);
    expect([errors.length, uncaught.mock.calls.length]).toEqual(isHeard ? [1, 0] : [0, 1]);
  }
});

test('a thenable of another library is waited for; a refusal may have headers and any status', async () => {
  const refusal = { status: 499, reason: 'no', headers: { 'WWW-Authenticate': 'Basic' } };
  const authorize = (): never =>
    // biome-ignore lint/suspicious/noThenProperty: a thenable is the subject of this test.
    ({ then: (resolve: (value: unknown) => void) => resolve(refusal) }) as never;
  const peer = await client(serve({ authorize }).port);
  peer.write(UPGRADE_REQUEST);
  const answer = (await receiveAll(peer)).toString();
  expect(answer).toMatch(/^HTTP\/1.1 499 Refused\r\n.*WWW-Authenticate: Basic\r\n/s);
});

test('a connection listener that throws does not lose what came with the upgrade', async () => {
  const server = serve();
  const seen: string[] = [];
  server.on('connection', (socket) => {
    socket.on('message', (data) => seen.push(data.toString()));
    throw new Error('half-way');
  });
  const peer = await client(server.port);
  peer.write(Buffer.concat([Buffer.from(UPGRADE_REQUEST), clientFrame(TEXT, 'eager')]));
  await receive(peer, 12);
  await until(() => seen.length === 1);
  expect([seen, uncaught.mock.calls.length]).toEqual([['eager'], 1]);
});

test('the request knows both addresses: in authorize, in connection, and after it', async () => {
  const seen: unknown[] = [];
  const look = ({ socket }: IncomingMessage): void => {
    const { remoteAddress, remoteFamily, localAddress, localPort } = socket;
    seen.push([remoteAddress, remoteFamily, localAddress, localPort, typeof socket.remotePort]);
  };
  const server = serve({
    authorize: (request) => {
      look(request);
      return true;
    },
  });
  server.on('connection', (_socket, request) => look(request));
  const [, request] = await open(server);
  look(request);
  const expected = ['127.0.0.1', 'IPv4', '127.0.0.1', server.port, 'number'];
  expect(seen).toEqual([expected, expected, expected]);
});

const encoded = encodeFrame(TEXT, Buffer.from('text'));

test.each<[string, unknown]>([
  ['a string', 'text'],
  ['a number', 5],
  ['nothing', undefined],
  ['bytes that are no frame', Buffer.from('text')],
  ['no bytes', Buffer.alloc(0)],
  ['half a frame', encoded.subarray(0, 4)],
  ['a frame and more', Buffer.concat([encoded, encoded])],
  ['a masked frame', clientFrame(TEXT, 'text')],
  ['a close frame', encodeFrame(CLOSE, Buffer.alloc(0))],
])('sendEncoded refuses %s', async (_name, frame) => {
  const [socket] = await open(serve());
  expect(() => socket.sendEncoded(frame as Buffer)).toThrow(/"frame"/);
});

test.each([0, 125, 126, 65_535, 65_536])('sendEncoded takes frames of %d bytes', async (length) => {
  const [socket] = await open(serve());
  const payload = Buffer.alloc(length);
  for (const opcode of [TEXT, BINARY, ...(length < 126 ? [PING] : [])]) {
    expect(() => socket.sendEncoded(encodeFrame(opcode, payload))).not.toThrow();
  }
});

test.each([5, undefined, null, {}, ['a']])('broadcast refuses %p, also without clients', (data) => {
  expect(() => serve().broadcast(data as never)).toThrow(/"data"/);
});

test.each([
  ['126 for 125 bytes', [0x82, 0xfe, 0, 125]],
  ['127 for 125 bytes', [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 125]],
  ['127 for 65,535 bytes', [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]],
  ['126 for a ping', [0x89, 0xfe, 0, 1]],
])('a length that is not minimal is refused with 1002: %s', async (_name, head) => {
  const server = serve();
  const opening = next<[WebSocketConnection]>(server, 'connection');
  const peer = await client(server.port);
  peer.write(UPGRADE_REQUEST);
  const [socket] = await opening;
  const failed = next<[Error]>(socket, 'error');
  peer.write(Buffer.from([...head, 1, 2, 3, 4]));
  expect((await failed)[0]).toMatchObject({ closeCode: 1002 });
});
