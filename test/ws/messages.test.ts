/** Messages of every size, both ways, and clients that never read them. */

import { randomBytes } from 'node:crypto';
import WebSocket from 'ws';
import { EventLoop } from '../../src/loop/event-loop';
import { encodeFrame } from '../../src/ws/frame-encoder';
import type { WebSocketConnection } from '../../src/ws/web-socket';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { marker } from '../support/marker';
import { sha } from '../support/sha';
import { next, until } from '../support/until';
import { clientFrame, parseServerFrames, TEXT } from '../support/ws-frames';
import { asRequest, connected, dial, echo, rawPeer, serve, UPGRADE } from './rig';

expectNoFdLeaks();

describe('messages', () => {
  test.each([0, 1, 125, 126, 65_535, 65_536, 1_000_000])(
    'text and bytes of %d come back as they were',
    async (length) => {
      const { peer } = await connected(echo(serve()));
      const bytes = randomBytes(length);
      peer.send(bytes);
      const [binary, isBinary] = await next<[Buffer, boolean]>(peer, 'message');
      expect([sha(binary), isBinary]).toEqual([sha(bytes), true]);
      peer.send('ü'.repeat(length / 2));
      const [text, isText] = await next<[Buffer, boolean]>(peer, 'message');
      expect([text.toString() === 'ü'.repeat(length / 2), isText]).toEqual([true, false]);
    },
  );

  test('many clients are served at once, each with its own messages', async () => {
    const server = echo(serve());
    const talk = async (name: string): Promise<void> => {
      const { peer } = await connected(server);
      for (let round = 0; round < 20; round += 1) {
        const message = `${name} says ${round}`;
        peer.send(message);
        const [answer] = await next<[Buffer]>(peer, 'message');
        expect(answer.toString()).toBe(message);
      }
    };
    await Promise.all(Array.from({ length: 50 }, (_, index) => talk(`client ${index}`)));
    expect(server.clients.size).toBe(50);
  });

  test('fragments of a `ws` client are joined', async () => {
    const { peer } = await connected(echo(serve()));
    peer.send('one ', { fin: false });
    peer.send('two ', { fin: false });
    peer.send('three', { fin: true });
    const [message] = await next<[Buffer]>(peer, 'message');
    expect(message.toString()).toBe('one two three');
  });

  test('a broadcast reaches everyone but who is left out', async () => {
    const server = serve();
    const all = [await connected(server), await connected(server), await connected(server)];
    const log: string[] = [];
    for (const [index, { peer }] of all.entries()) {
      peer.on('message', (data, isBinary) => log.push(`${index} ${data} ${isBinary}`));
    }
    server.broadcast('to all', {});
    server.broadcast(Buffer.from('bytes'), { except: all[1]?.socket as WebSocketConnection });
    server.broadcast(Buffer.from('as text'), { binary: false });
    await until(() => log.length === 8);
    expect(log.sort()).toEqual([
      '0 as text false',
      '0 bytes true',
      '0 to all false',
      '1 as text false',
      '1 to all false',
      '2 as text false',
      '2 bytes true',
      '2 to all false',
    ]);
  });

  test('what is encoded once can be sent to anyone', async () => {
    const { socket, peer } = await connected(serve());
    const frame = encodeFrame(TEXT, Buffer.from('prepared'));
    expect(socket.sendEncoded(frame)).toBe(true);
    const [message] = await next<[Buffer]>(peer, 'message');
    expect(message.toString()).toBe('prepared');
  });

  test('a callback is told when the kernel has the message, or that it never will', async () => {
    const { socket, peer } = await connected(serve());
    await new Promise<void>((done) =>
      socket.send('x', { callback: (error) => (error === undefined ? done() : undefined) }),
    );
    peer.terminate();
    await next(socket, 'close');
    const error = await new Promise((done) => socket.send('x', { callback: done }));
    expect(error).toMatchObject({ code: 'ERR_WEBSOCKET_NOT_OPEN' });
    expect(() => socket.send(5 as unknown as string)).toThrow(/"data"/);
  });

  test('what came in the same segment as the upgrade request is not lost', async () => {
    const server = echo(serve());
    const peer = await rawPeer(server, clientFrame(TEXT, 'eager'));
    expect(parseServerFrames(await receive(peer, 7))[0]?.payload.toString()).toBe('eager');
  });

  test('a listener that throws does not cost the messages behind it', async () => {
    const loop = new EventLoop();
    const thrown = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
    const server = serve({ loop });
    const seen: string[] = [];
    server.on('connection', (socket) => {
      socket.on('message', (data) => {
        seen.push(data.toString());
        throw new Error(`cannot take ${data}`);
      });
    });
    const peer = await rawPeer(server);
    peer.write(Buffer.concat([clientFrame(TEXT, 'a'), clientFrame(TEXT, 'b')]));
    await until(() => seen.length === 2);
    expect(seen).toEqual(['a', 'b']);
    expect(thrown).toHaveBeenCalledTimes(2);
    server.destroy();
    loop.close();
  });
});

describe('clients that never read', () => {
  test('are cut at the write deadline, while an honest one is served all the time', async () => {
    const CLIENTS = 100;
    const server = serve({ writeTimeoutMs: 300, maxQueuedBytes: 64 * 1024 * 1024 });
    const block = Buffer.alloc(1_000_000);
    let timedOut = 0;
    server.on('connection', (socket, { url }) => {
      if (url === '/honest') {
        socket.on('message', (data) => socket.send(data));
        return;
      }
      socket.on('error', (error) => {
        if ((error as Error & { code: string }).code === 'ETIMEDOUT') timedOut += 1;
      });
      const send = (): void => {
        while (socket.send(block));
      };
      socket.on('drain', send);
      send();
    });
    const honest = dial(server, '/honest');
    await next(honest, 'open');
    let answers = 0;
    honest.on('message', () => {
      // Of interest are those that come while others are stuck.
      if (server.clients.size > 1) answers += 1;
      if (timedOut < CLIENTS) honest.send('ping');
    });
    honest.send('ping');
    for (let index = 0; index < CLIENTS; index += 1) {
      const peer = await client(server.port);
      peer.pause();
      peer.write(asRequest(UPGRADE));
    }
    await until(() => timedOut === CLIENTS && server.clients.size === 1);
    expect(answers).toBeGreaterThan(1);
    const { peer } = await connected(server);
    expect(peer.readyState).toBe(WebSocket.OPEN);
  });

  test('send says when to stop, and drain when to go on', async () => {
    const { socket, peer } = await connected(serve({ maxQueuedBytes: 64 * 1024 * 1024 }));
    peer.pause();
    const block = Buffer.alloc(4_000_000);
    while (socket.send(block));
    // Not by how much: the kernel may have taken all but a few bytes of the last one.
    expect(socket.bufferedAmount).toBeGreaterThan(0);
    peer.resume();
    await next(socket, 'drain');
    expect(socket.bufferedAmount).toBe(0);
  });

  test('a paused socket leaves messages in the kernel', async () => {
    const { socket, peer } = await connected(serve());
    const seen: string[] = [];
    socket.on('message', (data) => seen.push(data.toString()));
    socket.pause();
    peer.send('later');
    await new Promise((done) => peer.ping('', true, done));
    await marker();
    expect(seen).toEqual([]);
    socket.resume();
    await until(() => seen.length === 1);
  });
});
