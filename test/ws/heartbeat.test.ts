/** Pings and pongs, also where several messages stand in one segment, or we are late to read. */
import type { Socket } from 'node:net';
import type { WebSocketConnection } from '../../src/ws/web-socket';
import type { WebSocketServer } from '../../src/ws/web-socket-server';
import { receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next, until } from '../support/until';
import { clientFrame, PING, PONG, parseServerFrames, TEXT } from '../support/ws-frames';
import { rawPeer, serve } from './rig';

expectNoFdLeaks();

describe('the lost pong: several messages in one segment', () => {
  test('data, pong and half a frame in one segment: all that is complete is handled', async () => {
    const server = serve();
    const log: string[] = [];
    server.on('connection', (socket) => {
      socket.on('message', (data) => log.push(`message ${data}`));
      socket.on('pong', (data) => log.push(`pong ${data}`));
    });
    const peer = await rawPeer(server);
    const half = clientFrame(TEXT, 'second');
    peer.write(
      Buffer.concat([clientFrame(TEXT, 'first'), clientFrame(PONG, 'here'), half.subarray(0, 7)]),
    );
    await until(() => log.length === 2);
    expect(log).toEqual(['message first', 'pong here']);
    peer.write(half.subarray(7));
    await until(() => log.length === 3);
    expect(log[2]).toBe('message second');
  });

  test('a client whose pongs stand behind messages outlives the heartbeat', async () => {
    const server = serve({ pingIntervalMs: 60 });
    const peer = await rawPeer(server);
    let pings = 0;
    peer.on('data', (chunk: Buffer) => {
      for (const { opcode, payload } of parseServerFrames(chunk)) {
        if (opcode !== PING) continue;
        pings += 1;
        const answer = [
          clientFrame(TEXT, 'data'),
          clientFrame(PONG, payload),
          clientFrame(TEXT, 'x').subarray(0, 3),
        ];
        peer.write(Buffer.concat(answer));
        peer.write(clientFrame(TEXT, 'x').subarray(3));
      }
    });
    peer.resume();
    await until(() => pings === 5);
    expect(server.clients.size).toBe(1);
  });

  test('a client that does not answer pings is cut', async () => {
    const server = serve({ pingIntervalMs: 50 });
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = await rawPeer(server);
    const [socket] = await accepted;
    const errors: unknown[] = [];
    socket.on('error', (error) => errors.push(error));
    expect(parseServerFrames(await receiveAll(peer)).map(({ opcode }) => opcode)).toEqual([PING]);
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_PONG_TIMEOUT' })]);
  });
});

describe('the pong is there, and it is we who have not read it', () => {
  /** A socket that is paused from the beginning, and its client, which was pinged. */
  async function pinged(): Promise<{
    server: WebSocketServer;
    socket: WebSocketConnection;
    peer: Socket;
    timer: jest.SpyInstance;
    log: string[];
  }> {
    const server = serve({ pingIntervalMs: 100 });
    const opened = new Promise<{ socket: WebSocketConnection; timer: jest.SpyInstance }>((done) => {
      server.once('connection', (socket) => {
        socket.pause();
        done({ socket, timer: jest.spyOn(socket, 'onTimer') });
      });
    });
    const peer = await rawPeer(server);
    const { socket, timer } = await opened;
    const log: string[] = [];
    socket.on('message', (data) => log.push(`message ${data}`));
    socket.on('pong', () => log.push('pong'));
    socket.on('error', (error) => log.push((error as Error & { code: string }).code));
    expect(parseServerFrames(await receive(peer, 2))).toMatchObject([{ opcode: PING }]);
    return { server, socket, peer, timer, log };
  }

  test('a paused socket is not cut, whose pong waits with the rest', async () => {
    const { server, socket, peer, timer, log } = await pinged();
    peer.write(Buffer.concat([clientFrame(PONG), clientFrame(TEXT, 'later')]));
    // One ping, and then the time for its pong is over, twice.
    await until(() => timer.mock.calls.length >= 3);
    expect([log, server.clients.size]).toEqual([[], 1]);
    socket.resume();
    await until(() => log.length >= 2);
    expect(log.slice(0, 2)).toEqual(['pong', 'message later']);
    // It is heard again, and so it is cut when it falls silent.
    await until(() => log.includes('ERR_PONG_TIMEOUT'));
  });

  test('a pong that this thread is late to read counts', async () => {
    const { socket, peer, log } = await pinged();
    socket.resume();
    peer.write(clientFrame(PONG));
    // The timer comes first.
    socket.onTimer();
    expect(log).toEqual([]);
    await until(() => log.length >= 1);
    expect(log[0]).toBe('pong');
  });
});
