/**
 * A busy client is not a dead one, and a noisy one is not alive: the heartbeat and the closing
 * handshake on real connections. Their timers are fired by hand, by a clock that the tests set.
 */
import type { Socket } from 'node:net';
import { setSocketOption } from '../../src/net/socket/options';
import type { WebSocketConnection } from '../../src/ws/web-socket';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next, until } from '../support/until';
import {
  BINARY,
  clientFrame,
  closeFrame,
  PING,
  PONG,
  parseServerFrames,
  UPGRADE_REQUEST,
} from '../support/ws-frames';

expectNoFdLeaks();

const INTERVAL_MS = 1_000_000;
const realNow = performance.now.bind(performance);

let server: WebSocketServer;
let peer: Socket;
let socket: WebSocketConnection;
let ends: string[];
let aheadMs: number;

beforeEach(async () => {
  aheadMs = 0;
  ends = [];
  jest.spyOn(performance, 'now').mockImplementation(() => realNow() + aheadMs);
  server = new WebSocketServer({
    ...{ port: 0, pingIntervalMs: INTERVAL_MS, closeTimeoutMs: INTERVAL_MS, writeTimeoutMs: 0 },
  });
  const accepted = next<[WebSocketConnection]>(server, 'connection');
  peer = await client(server.port);
  peer.write(UPGRADE_REQUEST);
  [socket] = await accepted;
  let head = '';
  while (!head.endsWith('\r\n\r\n')) head += (await receive(peer, 1)).toString();
  socket.on('error', (error) => ends.push((error as Error & { code: string }).code));
  socket.on('close', () => ends.push('close'));
});
afterEach(() => {
  jest.restoreAllMocks();
  peer.destroy();
  server.destroy();
});

/** The timer fires, so long after the last time. */
function fire(afterMs: number): void {
  aheadMs += afterMs;
  socket.onTimer();
}

async function send(bytes: Buffer): Promise<void> {
  const { connection } = socket;
  const wanted = connection.bytesRead + bytes.length;
  peer.write(bytes);
  await until(() => connection.bytesRead >= wanted || connection.closed);
}

test('a client in the middle of one long frame is not cut, for as long as bytes of it come', async () => {
  const frame = clientFrame(BINARY, Buffer.alloc(1_000));
  await send(frame.subarray(0, 100));
  fire(INTERVAL_MS);
  for (let at = 100; at < 1_000; at += 100) {
    await send(frame.subarray(at, at + 100));
    fire(INTERVAL_MS);
    expect(ends).toEqual([]);
  }
  await send(Buffer.concat([frame.subarray(1_000), clientFrame(PONG)]));
  fire(INTERVAL_MS);
  expect(ends).toEqual([]);
});

test('one that stops in the middle of its frame is cut', async () => {
  await send(clientFrame(BINARY, 'x'.repeat(100)).subarray(0, 50));
  fire(INTERVAL_MS);
  fire(INTERVAL_MS);
  expect(ends).toEqual(['ERR_PONG_TIMEOUT', 'close']);
});

test('a client that reads a long message, behind which the ping stands, is not cut', async () => {
  peer.pause();
  setSocketOption(socket.connection.fd, 'sendBufferBytes', 32 * 1024);
  await until(() => {
    socket.send(Buffer.alloc(1024 * 1024));
    return socket.bufferedAmount > 4 * 1024 * 1024;
  });
  fire(INTERVAL_MS);
  const { connection } = socket;
  for (let count = 0; count < 6; count += 1) {
    const { bytesWritten } = connection;
    await until(() => {
      peer.read();
      return connection.bytesWritten > bytesWritten;
    });
    fire(INTERVAL_MS);
    expect(ends).toEqual([]);
  }
  expect(socket.bufferedAmount).toBeGreaterThan(0);
  // And one that has stopped is.
  await until(() => !connection.canFlushNow());
  fire(0);
  for (let count = 0; count < 3 && ends.length === 0; count += 1) fire(INTERVAL_MS);
  expect(ends).toEqual(['ERR_PONG_TIMEOUT', 'close']);
});

test('a client that floods and never answers is cut, though something waits unread at each look', async () => {
  const flood = clientFrame(BINARY, Buffer.alloc(16 * 1024));
  const { connection } = socket;
  const pour = (): void => {
    while (peer.write(flood));
  };
  peer.on('drain', pour);
  peer.on('error', () => {});
  pour();
  // Looks of one turn each, in the middle of the flood. The flood never ends, so this must.
  for (let looks = 0; looks < 2_000 && ends.length === 0; looks += 1) {
    await new Promise(setImmediate);
    if (!connection.closed && connection.hasUnread()) fire(INTERVAL_MS / 4);
  }
  expect(ends).toEqual(['ERR_PONG_TIMEOUT', 'close']);
  expect(aheadMs).toBeGreaterThanOrEqual(3 * INTERVAL_MS);
});

test('a close frame behind a long message waits for the client that reads it', async () => {
  peer.pause();
  setSocketOption(socket.connection.fd, 'sendBufferBytes', 32 * 1024);
  const { connection } = socket;
  await until(() => {
    socket.send(Buffer.alloc(1024 * 1024));
    return socket.bufferedAmount > 4 * 1024 * 1024;
  });
  socket.close();
  for (let count = 0; count < 6; count += 1) {
    const { bytesWritten } = connection;
    await until(() => {
      peer.read();
      return connection.bytesWritten > bytesWritten;
    });
    fire(INTERVAL_MS);
    expect(ends).toEqual([]);
  }
  peer.resume();
  await until(() => socket.bufferedAmount === 0);
  peer.end(closeFrame(1000));
  await until(() => ends.length > 0);
  expect(ends).toEqual(['close']);
});

test('a client that reads nothing of it is cut', async () => {
  peer.pause();
  await until(() => {
    socket.send(Buffer.alloc(1024 * 1024));
    return socket.bufferedAmount > 4 * 1024 * 1024;
  });
  socket.close();
  for (let looks = 0; looks < 100 && ends.length === 0; looks += 1) {
    await new Promise(setImmediate);
    fire(INTERVAL_MS / 4);
  }
  expect(ends).toEqual(['close']);
});

test('a client that floods and never answers the close frame is cut', async () => {
  socket.close();
  for (let count = 0; count < 4; count += 1) {
    await send(clientFrame(BINARY, 'still here'));
    fire(INTERVAL_MS);
  }
  expect(ends).toEqual(['close']);
});

test('pongs for a client that does not read are bounded by a count; the last ping is answered', async () => {
  peer.pause();
  await until(() => {
    socket.send(Buffer.alloc(1024 * 1024));
    return socket.bufferedAmount > 1024 * 1024;
  });
  const before = socket.bufferedAmount;
  const pings = Array.from({ length: 2_000 }, (_, at) => clientFrame(PING, `${at}`));
  await send(Buffer.concat(pings));
  // A head of two bytes, and four digits at most.
  expect(socket.bufferedAmount - before).toBeLessThanOrEqual(16 * 6);
  const chunks: Buffer[] = [];
  peer.on('data', (chunk: Buffer) => chunks.push(chunk)).resume();
  const pongs = (): string[] =>
    parseServerFrames(Buffer.concat(chunks))
      .filter(({ opcode }) => opcode === PONG)
      .map(({ payload }) => payload.toString());
  await until(() => Buffer.concat(chunks.slice(-2)).toString('latin1').endsWith('1999'));
  expect(pongs()).toEqual([...Array.from({ length: 16 }, (_, at) => `${at}`), '1999']);
});
