/** Halves of frames and of heads, followed by silence, a FIN or a reset: each leaves, and nothing stays. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { serveHttp } from '../../src/http/server/serve-http';
import { EventLoop } from '../../src/loop/event-loop';
import { TcpServer } from '../../src/net/server/tcp-server';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { until } from '../support/until';
import { clientFrame, parseServerFrames, TEXT, UPGRADE_REQUEST } from '../support/ws-frames';

expectNoFdLeaks();

const LATER_MS = 90_000;

/** What comes behind the half. */
const ENDINGS: Record<string, (peer: Socket) => void> = {
  silence: () => {},
  'a FIN': (peer) => void peer.end(),
  'a reset': (peer) => void peer.resetAndDestroy(),
};

const loops: EventLoop[] = [];
function makeLoop(): EventLoop {
  const loop = new EventLoop();
  loops.push(loop);
  return loop;
}
afterEach(() => {
  for (const loop of loops.splice(0)) loop.close();
});

/** A client that was answered with a 101. */
async function upgraded(port: number): Promise<Socket> {
  const peer = await client(port);
  peer.write(UPGRADE_REQUEST);
  let head = '';
  while (!head.endsWith('\r\n\r\n')) head += await receive(peer, 1);
  expect(head).toMatch(/^HTTP\/1\.1 101 /);
  return peer.resume();
}

describe('every prefix of a frame', () => {
  // A head of 8 bytes: an extended length, and the mask.
  const FRAME = clientFrame(TEXT, 'x'.repeat(130));

  test.each(Object.keys(ENDINGS))(
    'and then %s: no message, the socket is closed as lost, others are served',
    async (ending) => {
      const loop = makeLoop();
      // Who is silent is found by the heartbeat.
      const server = new WebSocketServer({ port: 0, loop, pingIntervalMs: 1_000 });
      const closes: number[] = [];
      const messages: string[] = [];
      server.on('connection', (socket) => {
        socket.on('message', (data) => {
          messages.push(data.toString());
          socket.send(data);
        });
        socket.on('close', (code) => closes.push(code));
      });
      for (let length = 0; length < FRAME.length; length += 1) {
        const peer = await upgraded(server.port);
        peer.write(FRAME.subarray(0, length), () => ENDINGS[ending]?.(peer));
      }
      await until(() => closes.length === FRAME.length, LATER_MS);
      expect(new Set(closes)).toEqual(new Set([1006]));
      expect([messages, server.clients.size]).toEqual([[], 0]);
      const honest = await upgraded(server.port);
      honest.write(clientFrame(TEXT, 'still there?'));
      const [answer] = parseServerFrames(await receive(honest, 14));
      expect(answer?.payload.toString()).toBe('still there?');
      honest.destroy();
      await until(() => server.clients.size === 0, LATER_MS);
      server.destroy();
      expect(loop.stats().timers).toBe(0);
    },
    120_000,
  );
});

describe('every prefix of a request head', () => {
  const HEAD = 'GET /whole HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n';

  test.each(Object.keys(ENDINGS))(
    'and then %s: no request, the connection is closed, others are served',
    async (ending) => {
      const loop = makeLoop();
      const server = new TcpServer({ port: 0, loop });
      const urls: (string | undefined)[] = [];
      const options = { headersTimeout: 1_000, connectionsCheckingInterval: 200 };
      const http: Server = serveHttp(server, options, (request, response) => {
        urls.push(request.url);
        response.end('answered');
      });
      const listeners = http.listenerCount('request');
      for (let length = 0; length < HEAD.length; length += 1) {
        const peer = await client(server.port);
        peer.resume().write(HEAD.slice(0, length), () => ENDINGS[ending]?.(peer));
      }
      await until(() => server.connections.size === 0, LATER_MS);
      expect(urls).toEqual([]);
      const honest = await client(server.port);
      honest.write(HEAD);
      expect((await receive(honest, 15)).toString()).toBe('HTTP/1.1 200 OK');
      await until(() => server.connections.size === 0, LATER_MS);
      expect([urls, http.listenerCount('request')]).toEqual([['/whole'], listeners]);
      server.destroy();
      expect([loop.stats().watched, loop.stats().timers]).toEqual([0, 0]);
    },
    120_000,
  );
});
