/** Clients that leave at every moment of the opening handshake, in every way. */

import type { Socket } from 'node:net';
import { EventLoop } from '../../src/loop/event-loop';
import type { TcpConnection } from '../../src/net/connection/tcp-connection';
import { TcpServer } from '../../src/net/server/tcp-server';
import type { Authorization } from '../../src/ws/verdict';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import type { WebSocketServerOptions } from '../../src/ws/web-socket-server-options';
import { client, receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { nodeTurns } from '../support/marker';
import { next, until } from '../support/until';
import { clientFrame, TEXT, UPGRADE_REQUEST } from '../support/ws-frames';

// Before the count of fds, which is taken in the order of these lines.
afterAll(() => loop.close());
expectNoFdLeaks();

type Authorize = NonNullable<WebSocketServerOptions['authorize']>;

/** Decides in the next turn of Node's loop but a few. */
const later = (verdict: Authorization): Promise<Authorization> =>
  nodeTurns(10).then(() => verdict as never);

const AUTHORIZE: Record<string, Authorize | undefined> = {
  none: undefined,
  sync: () => true,
  async: async () => true,
  slow: () => later(true),
  refusing: () => later(false),
  never: () => new Promise(() => {}),
  throws: () => {
    throw new Error('no verdict');
  },
};
const MOMENTS = ['within the head', 'with the head', 'during authorize', 'after the answer'];
const WAYS = ['FIN', 'RST', 'data and FIN'] as const;

const loop = new EventLoop();
const uncaught = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});

function leave(peer: Socket, how: (typeof WAYS)[number], before = ''): void {
  const data = how === 'data and FIN' ? clientFrame(TEXT, 'bye') : Buffer.alloc(0);
  peer.write(Buffer.concat([Buffer.from(before), data]));
  if (how !== 'RST') peer.end();
  else if (peer.writableLength === 0) peer.resetAndDestroy();
  else peer.once('drain', () => peer.resetAndDestroy());
}

async function visit(
  peer: Socket,
  { when, how, asked }: { when: string; how: (typeof WAYS)[number]; asked: () => Promise<void> },
): Promise<void> {
  if (when === 'within the head') return leave(peer, how, UPGRADE_REQUEST.slice(0, 60));
  if (when === 'with the head') return leave(peer, how, UPGRADE_REQUEST);
  peer.write(UPGRADE_REQUEST);
  await (when === 'during authorize' ? asked() : receive(peer, 12));
  leave(peer, how);
}

const cases = Object.keys(AUTHORIZE).flatMap((name) =>
  MOMENTS.flatMap((when) => WAYS.map((how) => [name, when, how] as const)),
);

test.each(cases.filter(([name, when]) => name !== 'never' || when !== 'after the answer'))(
  'authorize: %s; the client leaves %s, by %s: nothing is left',
  async (name, when, how) => {
    let asked = 0;
    let opened = 0;
    let closed = 0;
    const authorize = AUTHORIZE[name];
    const server = new WebSocketServer({
      port: 0,
      loop,
      pingIntervalMs: 0,
      ...(authorize !== undefined && {
        authorize: (request) => {
          asked += 1;
          return authorize(request);
        },
      }),
    });
    server.on('connection', (socket) => {
      opened += 1;
      socket.on('close', () => {
        closed += 1;
      });
    });
    const COUNT = 4;
    const peers = await Promise.all(Array.from({ length: COUNT }, () => client(server.port)));
    const isAsked = authorize !== undefined;
    await Promise.all(
      peers.map((peer) => {
        return visit(peer, {
          when,
          how,
          asked: () => (isAsked ? until(() => asked === COUNT) : Promise.resolve()),
        });
      }),
    );
    // The clients keep their half open: it is the server that has to let go.
    await until(() => server.server.connections.size === 0, 2_000);
    if (name === 'slow' || name === 'refusing') await later(true);
    expect([closed, server.clients.size]).toEqual([opened, 0]);
    if (name === 'never' || name === 'throws' || name === 'refusing') expect(opened).toBe(0);
    if (when === 'within the head') expect(opened).toBe(0);
    if (when === 'after the answer' && ['none', 'sync', 'async', 'slow'].includes(name)) {
      expect(opened).toBe(COUNT);
    }
    server.destroy();
    uncaught.mockClear();
  },
);

test('a client that leaves while it waits for its verdict is never a connection', async () => {
  let decide: (verdict: boolean) => void = () => {};
  const server = new WebSocketServer({
    port: 0,
    authorize: () => new Promise((resolve) => (decide = resolve)),
  });
  const opened = jest.fn();
  server.on('connection', opened);
  const peer = await client(server.port);
  peer.end(UPGRADE_REQUEST);
  await next(peer, 'close');
  await until(() => server.server.connections.size === 0);
  decide(true);
  await new Promise((done) => setImmediate(done));
  expect([opened.mock.calls.length, server.clients.size]).toEqual([0, 0]);
  server.destroy();
});

test('an authorize that never settles meets the deadline of the handshake: 503, and one error', async () => {
  const server = new WebSocketServer({
    port: 0,
    handshakeTimeoutMs: 30,
    authorize: () => new Promise(() => {}),
  });
  const errors: unknown[] = [];
  server.on('error', (error) => errors.push(error));
  const peer = await client(server.port);
  peer.write(UPGRADE_REQUEST);
  expect((await receiveAll(peer)).toString()).toMatch(/^HTTP\/1.1 503 /);
  await until(() => server.server.connections.size === 0);
  expect(errors).toEqual([expect.objectContaining({ code: 'ERR_AUTHORIZE_TIMEOUT' })]);
  server.destroy();
});

test('what a client sends before its verdict comes after the opening', async () => {
  const undecided = (): void => {};
  let decide: (verdict: boolean) => void = undecided;
  const server = new WebSocketServer({
    port: 0,
    authorize: () => new Promise((resolve) => (decide = resolve)),
  });
  const seen: string[] = [];
  server.on('connection', (socket) => {
    seen.push('connection');
    socket.on('message', (data) => seen.push(data.toString()));
  });
  const peer = await client(server.port);
  peer.write(Buffer.concat([Buffer.from(UPGRADE_REQUEST), clientFrame(TEXT, 'one')]));
  await until(() => decide !== undecided);
  peer.write(clientFrame(TEXT, 'two'));
  // More than is kept: the rest waits in the kernel.
  peer.write(clientFrame(TEXT, 'x'.repeat(200_000)));
  await until(() => peer.writableLength < 200_000);
  decide(true);
  await until(() => seen.length === 4);
  expect(seen.map((text) => text.slice(0, 10))).toEqual(['connection', 'one', 'two', 'xxxxxxxxxx']);
  server.destroy();
});

describe('a connection that is handed over', () => {
  async function accepted(): Promise<{
    server: TcpServer;
    peer: Socket;
    connection: TcpConnection;
  }> {
    const server = new TcpServer({ port: 0, allowHalfOpen: true });
    const opening = next<[TcpConnection]>(server, 'connection');
    const peer = await client(server.port);
    return { server, peer, connection: (await opening)[0] };
  }

  test('after its end: the new handler gets the end, once', async () => {
    const { server, peer, connection } = await accepted();
    peer.end();
    await next(connection, 'end');
    const seen: string[] = [];
    connection.setHandler({
      onData: () => seen.push('data'),
      onEnd: () => seen.push('end'),
      onClose: () => seen.push('close'),
    });
    expect(seen).toEqual([]);
    await until(() => seen.length > 0);
    connection.end();
    await until(() => connection.closed);
    await new Promise((done) => setImmediate(done));
    expect(seen).toEqual(['end', 'close']);
    server.destroy();
  });

  test('after it failed: the new handler gets the error, once', async () => {
    const { server, connection } = await accepted();
    const error = new Error('cut');
    connection.destroy(error);
    const seen: unknown[] = [];
    connection.setHandler({
      onData() {},
      onEnd: () => seen.push('end'),
      onClose: (_c, e) => seen.push(e),
    });
    await until(() => seen.length > 0);
    await new Promise((done) => setImmediate(done));
    expect(seen).toEqual([error]);
    server.destroy();
  });

  test('twice in a row: only the last handler gets it', async () => {
    const { server, peer, connection } = await accepted();
    peer.end();
    await next(connection, 'end');
    const seen: string[] = [];
    for (const name of ['first', 'second']) {
      connection.setHandler({ onData() {}, onEnd: () => seen.push(name) });
    }
    await until(() => seen.length > 0);
    await new Promise((done) => setImmediate(done));
    expect(seen).toEqual(['second']);
    server.destroy();
  });
});
