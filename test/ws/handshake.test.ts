/** The upgrade: refusals, paths, subprotocols, authorize. */

import { request as httpRequest } from 'node:http';
import WebSocket from 'ws';
import { EventLoop } from '../../src/loop/event-loop';
import type { WebSocketConnection } from '../../src/ws/web-socket';
import { client, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { marker } from '../support/marker';
import { next, until } from '../support/until';
import { asRequest, connected, dial, serve, sockets, UPGRADE } from './rig';

expectNoFdLeaks();

describe('the handshake', () => {
  const without = (name: string): string[] => UPGRADE.filter((line) => !line.startsWith(name));

  test.each<[string, string[], RegExp]>([
    ['no key', without('Sec-WebSocket-Key'), /^HTTP\/1.1 400 .*Sec-WebSocket-Key/s],
    [
      'a key of the wrong length',
      [...without('Sec-WebSocket-Key'), 'Sec-WebSocket-Key: AAAA'],
      /^HTTP\/1.1 400 /,
    ],
    [
      'no version',
      without('Sec-WebSocket-Version'),
      /^HTTP\/1.1 426 .*Sec-WebSocket-Version: 13\r\n/s,
    ],
    [
      'an old version',
      [...without('Sec-WebSocket-Version'), 'Sec-WebSocket-Version: 8'],
      /^HTTP\/1.1 426 /,
    ],
    [
      'another method',
      ['POST / HTTP/1.1', ...UPGRADE.slice(1), 'Content-Length: 0'],
      /^HTTP\/1.1 405 .*Allow: GET\r\n/s,
    ],
    ['an invalid subprotocol', [...UPGRADE, 'Sec-WebSocket-Protocol: a, ,b'], /^HTTP\/1.1 400 /],
    ['a subprotocol twice', [...UPGRADE, 'Sec-WebSocket-Protocol: a, a'], /^HTTP\/1.1 400 /],
    ['text garbage', ['not HTTP at all'], /^HTTP\/1.1 400 Bad Request/],
  ])('%s is refused', async (_name, lines, answer) => {
    const server = serve();
    const peer = await client(server.port);
    peer.write(asRequest(lines));
    expect((await receiveAll(peer)).toString()).toMatch(answer);
    expect(server.clients.size).toBe(0);
    await connected(server);
  });

  test('a request head that does not end is refused after a time', async () => {
    const server = serve({ handshakeTimeoutMs: 100 });
    const peer = await client(server.port);
    peer.write('GET / HTTP/1.1\r\n');
    expect((await receiveAll(peer)).toString()).toMatch(/^HTTP\/1.1 408 /);
  });

  test('only the path that was given is served', async () => {
    const server = serve({ path: '/chat' });
    await next(dial(server, '/chat'), 'open');
    await next(dial(server, '/chat?room=1'), 'open');
    const other = dial(server, '/chatter');
    expect(String((await next(other, 'error'))[0])).toMatch('404');
  });

  test('the first subprotocol of ours that is offered too is agreed on', async () => {
    const server = serve({ protocols: ['v2', 'v1'] });
    const accepted = next<[WebSocketConnection]>(server, 'connection');
    const peer = new WebSocket(`ws://127.0.0.1:${server.port}`, ['v1', 'v2', 'v3']);
    sockets.push(peer);
    await next(peer, 'open');
    expect([peer.protocol, (await accepted)[0].protocol]).toEqual(['v2', 'v2']);
    expect((await connected(server)).socket.protocol).toBe('');
  });

  test('authorize decides, at once or later, and sees the request', async () => {
    const server = serve({
      authorize: ({ url, headers }) => {
        if (url === '/later') return Promise.resolve(headers.origin === 'https://example.org');
        if (url === '/teapot') return { status: 418, reason: 'I am a teapot' };
        return url === '/yes';
      },
    });
    const origin = 'https://example.org';
    await next(dial(server, '/yes'), 'open');
    await next(dial(server, '/later', { origin }), 'open');
    const refusals = ['/no', '/later', '/teapot'].map(async (path) => {
      return String((await next(dial(server, path), 'error'))[0]);
    });
    expect(await Promise.all(refusals)).toEqual([
      expect.stringContaining('403'),
      expect.stringContaining('403'),
      expect.stringContaining('418'),
    ]);
    expect(server.clients.size).toBe(2);
  });

  test('a client that goes away while it is being authorized leaves nothing behind', async () => {
    let decide: (yes: boolean) => void = () => {};
    const asked = jest.fn();
    const server = serve({
      authorize: () => {
        asked();
        return new Promise((resolve) => {
          decide = resolve;
        });
      },
    });
    const opened = jest.fn();
    server.on('connection', opened);
    const peer = await client(server.port);
    peer.write(asRequest(UPGRADE));
    await until(() => asked.mock.calls.length === 1);
    peer.resetAndDestroy();
    await next(peer, 'close');
    await marker();
    decide(true);
    await connected(serve());
    expect(opened).not.toHaveBeenCalled();
    expect(server.clients.size).toBe(0);
  });

  test('authorize that fails is a 500, and an uncaught exception', async () => {
    const loop = new EventLoop();
    const thrown = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
    const server = serve({
      loop,
      authorize: ({ url }) => {
        if (url === '/later') return Promise.reject(new Error('later'));
        throw new Error('now');
      },
    });
    for (const path of ['/now', '/later']) {
      expect(String((await next(dial(server, path), 'error'))[0])).toMatch('500');
    }
    expect(thrown.mock.calls.map(([error]) => (error as Error).message)).toEqual(['now', 'later']);
    server.destroy();
    await until(() => server.clients.size === 0);
    loop.close();
  });

  test('a plain request gets a 426, or whatever the program answers', async () => {
    const server = serve();
    const ask = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const request = httpRequest({ port: server.port, host: '127.0.0.1', agent: false });
        request.on('error', reject);
        request.on('response', (response) => {
          let body = '';
          response.on('data', (chunk) => {
            body += chunk;
          });
          response.on('end', () => resolve(`${response.statusCode} ${body}`));
        });
        request.end();
      });
    expect(await ask()).toBe('426 this server speaks WebSocket only\n');
    server.on('request', (request, response) => response.end(`page ${request.url}`));
    expect(await ask()).toBe('200 page /');
  });
});
