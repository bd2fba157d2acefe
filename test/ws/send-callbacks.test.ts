/** `send`, `ping` and `pong` with a callback and options, as people write them for the package `ws`. */
import type { Socket } from 'node:net';
import { WebSocketServer as WsServer } from 'ws';
import type { WebSocketConnection } from '../../src/ws/web-socket';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next, until } from '../support/until';
import { parseServerFrames, UPGRADE_REQUEST } from '../support/ws-frames';

expectNoFdLeaks();

type Code = string | undefined;
// Called with anything, by programs without types.
type Untyped = Record<string, (...args: unknown[]) => unknown>;

let server: WebSocketServer;
let peer: Socket;
let socket: WebSocketConnection;
let loose: Untyped;
/** What each callback was called with, by its name. */
let calls: [name: string, code: Code][];

beforeEach(async () => {
  calls = [];
  server = new WebSocketServer({ port: 0 });
  const accepted = next<[WebSocketConnection]>(server, 'connection');
  peer = await client(server.port);
  peer.write(UPGRADE_REQUEST);
  [socket] = await accepted;
  loose = socket as unknown as Untyped;
  let head = '';
  while (!head.endsWith('\r\n\r\n')) head += (await receive(peer, 1)).toString();
});
afterEach(async () => {
  peer.destroy();
  server.destroy();
  await until(() => socket.connection.closed);
});

const called =
  (name: string) =>
  (error?: Error | null): void => {
    calls.push([name, (error as NodeJS.ErrnoException | undefined)?.code]);
  };

/** What the peer got: opcode and payload of each frame. */
async function frames(bytes: number): Promise<[opcode: number, text: string][]> {
  return parseServerFrames(await receive(peer, bytes)).map(({ opcode, payload }) => [
    opcode,
    payload.toString(),
  ]);
}

test('ws.send(data, cb) and ws.send(data, options, cb): cb was ignored', async () => {
  socket.send('a', called('alone'));
  socket.send('b', { binary: true }, called('behind options'));
  socket.send(Buffer.from('c'), { binary: false }, called('of a text'));
  socket.send('d', { callback: called('as an option') });
  socket.send('e', undefined, called('behind nothing'));
  expect(calls).toEqual([]);
  expect(await frames(15)).toEqual([
    [1, 'a'],
    [2, 'b'],
    [1, 'c'],
    [1, 'd'],
    [1, 'e'],
  ]);
  await until(() => calls.length === 5);
  expect(calls.map(([name]) => name)).toEqual([
    'alone',
    'behind options',
    'of a text',
    'as an option',
    'behind nothing',
  ]);
  expect(calls.every(([, code]) => code === undefined)).toBe(true);
});

test('ws.ping(data, mask, cb) and ws.pong(cb): cb was refused, and there was no pong', async () => {
  socket.ping(called('ping'));
  socket.ping('p', called('ping with data'));
  socket.ping('q', false, called('ping as ws has it'));
  socket.ping(undefined, undefined, called('ping with nothing'));
  socket.pong(called('pong'));
  socket.pong(Buffer.from('r'), called('pong with data'));
  expect(await frames(15)).toEqual([
    [9, ''],
    [9, 'p'],
    [9, 'q'],
    [9, ''],
    [10, ''],
    [10, 'r'],
  ]);
  await until(() => calls.length === 6);
  expect(calls.every(([, code]) => code === undefined)).toBe(true);
});

test.each([
  [{ binray: true }, /unrecognized "binray" \(there is binary, callback\)/],
  [{ compress: true }, /unrecognized "compress" \(see nothing: messages are not compressed\)/],
  [{ mask: false }, /unrecognized "mask"/],
  [{ fin: false }, /unrecognized "fin" \(see nothing: messages are sent whole\)/],
  [{ binary: 'yes' }, /"options.binary" argument must be a boolean. Received 'yes'/],
  [null, /"options" argument must be an object. Received null/],
  ['utf8', /"options" argument must be an object. Received 'utf8'/],
])('ws.send(data, %j): a misspelt option was taken silently', async (options, message) => {
  expect(() => loose['send']?.('x', options, called('never'))).toThrow(message);
  expect(() => loose['send']?.(Buffer.from('x'), options, called('never'))).toThrow(message);
  socket.send('next');
  expect(await frames(6)).toEqual([[1, 'next']]);
  expect(calls).toEqual([]);
});

test('what cannot be a message, a callback or a mask is refused before a byte is sent', async () => {
  const wrong: [string, unknown[], RegExp][] = [
    ['send', [5, called('never')], /"data"/],
    ['send', ['x', {}, 'callback'], /"callback" argument must be a function/],
    ['send', ['x', { callback: 5 }], /"callback" argument must be a function/],
    ['send', ['x', { callback: called('never') }, called('never')], /two callbacks/],
    ['send', ['x', called('never'), called('never')], /the callback is the last one/],
    ['ping', ['x', true, called('never')], /"mask" .*servers do not mask/],
    ['ping', [called('never'), called('never')], /the callback is the last one/],
    ['ping', ['x', called('never'), called('never')], /the callback is the last one/],
    ['ping', ['x', false, 'callback'], /"callback" argument must be a function/],
    ['pong', [5], /"data"/],
    ['pong', ['x'.repeat(126), called('never')], /"data.byteLength" .*<= 125/],
  ];
  for (const [name, args, message] of wrong) {
    expect(() => loose[name]?.(...args)).toThrow(message);
  }
  socket.send('next');
  expect(await frames(6)).toEqual([[1, 'next']]);
  expect(calls).toEqual([]);
});

test('on a socket that is closing, the callback gets an error, once and later, and nothing is thrown', async () => {
  socket.close();
  expect(socket.send('x', called('send'))).toBe(false);
  expect(socket.ping(called('ping'))).toBe(false);
  expect(socket.pong('x', called('pong'))).toBe(false);
  expect(socket.send('x')).toBe(false);
  expect(calls).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toEqual([
    ['send', 'ERR_WEBSOCKET_NOT_OPEN'],
    ['ping', 'ERR_WEBSOCKET_NOT_OPEN'],
    ['pong', 'ERR_WEBSOCKET_NOT_OPEN'],
  ]);
});

test.each([
  ['terminate', () => socket.terminate(), 'ERR_CONNECTION_CLOSED'],
  ['a reset by the peer', () => void peer.resetAndDestroy(), 'ECONNRESET'],
])('%s: each callback that waits is called once, with the error', async (_name, cut, code) => {
  peer.pause();
  const block = Buffer.alloc(256 * 1024);
  let sent = 0;
  while (socket.send(block, called(`block ${sent}`))) sent += 1;
  socket.send('behind', called('send'));
  socket.send(Buffer.alloc(20_000), { binary: true }, called('a long one'));
  socket.ping('behind', called('ping'));
  socket.pong(called('pong'));
  const closed = next(socket, 'close');
  cut();
  await closed;
  socket.send('after', called('after'));
  await until(() => calls.length === sent + 6);
  await new Promise((resolve) => setImmediate(resolve));
  const names = calls.map(([name]) => name);
  expect(names).toHaveLength(sent + 6);
  expect(new Set(names).size).toBe(names.length);
  const waiting = calls.filter(([name]) => /^(send|a long one|ping|pong)$/.test(name));
  expect(waiting.map(([, given]) => given)).toEqual([code, code, code, code]);
  expect(calls.at(-1)).toEqual(['after', 'ERR_WEBSOCKET_NOT_OPEN']);
});

test('broadcast refuses options that do not exist, too', () => {
  const broadcast = server.broadcast.bind(server) as (...args: unknown[]) => void;
  expect(() => broadcast('x', { exept: socket })).toThrow(/unrecognized "exept" .*binary, except/);
});

test('the package ws takes the same calls', async () => {
  const theirs = new WsServer({ port: 0 });
  await next(theirs, 'listening');
  const opened = next<[WebSocketConnection]>(theirs, 'connection');
  const stranger = await client((theirs.address() as { port: number }).port);
  stranger.write(UPGRADE_REQUEST);
  const [them] = await opened;
  them.send('a', called('alone'));
  them.send('b', { binary: true }, called('behind options'));
  them.ping('p', false, called('ping'));
  them.pong(called('pong'));
  await until(() => calls.length === 4);
  them.close();
  them.send('x', called('late'));
  await until(() => calls.length === 5);
  expect(calls.map(([name]) => name)).toEqual(['alone', 'behind options', 'ping', 'pong', 'late']);
  stranger.destroy();
  await new Promise((resolve) => theirs.close(resolve));
});
