/** Connecting by TCP and unix sockets, through every waiter. */
import { randomBytes } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { EventLoop } from '../../../src/loop/event-loop';
import { connect } from '../../../src/net/client/connect';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { getSocketOption } from '../../../src/net/socket/options';
import { EPOLLIN, F_GETFD, FD_CLOEXEC } from '../../../src/sys/constants';
import { fcntl } from '../../../src/sys/io';
import { ROOT } from '../../support/child';
import { receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { counter } from '../../support/fds';
import { makeFolder } from '../../support/folder';
import { silentPort } from '../../support/full-listener';
import { socketCount } from '../../support/open-fds';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';
import { echoServer, failure, freePort, open, ownLoop, peerServer, toClose } from './rig';

expectNoFdLeaks();

/** What comes until the connection closes. */
function everything(connection: TcpConnection): Promise<Buffer> {
  const chunks: Buffer[] = [];
  connection.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
  return next(connection, 'close').then(() => Buffer.concat(chunks));
}

describe.each([
  ['thread', {}],
  ['libuv', {}],
  ['inline', { maxInlineWaitMs: 5 }],
] as const)('through the waiter %s', (waiter, rest) => {
  const make = (): EventLoop => ownLoop({ waiter, ...rest });

  test.each(['level', 'edge'] as const)('a connection that is %s-triggered', async (trigger) => {
    const { port } = await echoServer();
    const connection = await open({ port, trigger, loop: make() });
    const sent = randomBytes(3_000_000);
    const received = everything(connection);
    connection.end(sent);
    expect(sha(await received)).toBe(sha(sent));
  });

  test('nobody listens', async () => {
    const port = await freePort();
    expect(await failure(connect({ port, loop: make() }))).toMatchObject({
      name: 'SystemError',
      code: 'ECONNREFUSED',
      errno: -111,
      syscall: 'connect',
      address: '127.0.0.1',
      port,
      message: `connect ECONNREFUSED: connection refused 127.0.0.1:${port}`,
    });
  });

  test('nobody answers', async () => {
    const [loop, port, start] = [make(), silentPort(), performance.now()];
    expect(await failure(connect({ port, connectTimeoutMs: 60, loop }))).toMatchObject({
      name: 'SystemError',
      code: 'ETIMEDOUT',
      errno: -110,
      syscall: 'connect',
      address: '127.0.0.1',
      port,
      message: `connect ETIMEDOUT: no answer of 127.0.0.1:${port} for 60 ms (connectTimeoutMs)`,
    });
    expect(performance.now() - start).toBeGreaterThanOrEqual(60);
    expect(loop.stats()).toMatchObject({ watched: 0, timers: 0 });
  });
});

describe('connected', () => {
  test('the addresses of both sides, and the options of an accepted connection', async () => {
    const { port } = await echoServer();
    const connection = await open({ address: 'localhost', port });
    expect([connection.remoteAddress, connection.remotePort]).toEqual(['127.0.0.1', port]);
    expect(connection.address()).toMatchObject({ family: 'IPv4', address: '127.0.0.1' });
    expect(getSocketOption(connection.fd, 'noDelay')).toBe(true);
    expect(getSocketOption(connection.fd, 'keepAlive')).toBe(false);
    connection.setKeepAlive();
    expect(getSocketOption(connection.fd, 'keepAlive')).toBe(true);
    const slow = await open({ port, noDelay: false });
    expect(getSocketOption(slow.fd, 'noDelay')).toBe(false);
  });

  test('over IPv6, from an address and a port', async () => {
    const { port } = await echoServer({ host: '::1', port: 0 });
    const localPort = await freePort();
    const first = await open({ host: '::1', port, localAddress: '::1', localPort });
    expect(first.address()).toEqual({ family: 'IPv6', address: '::1', port: localPort });
    expect([first.remoteAddress, first.remotePort]).toEqual(['::1', port]);
    const second = await open({ host: '::1', port, localAddress: '::1' });
    expect(second.localAddress).toBe('::1');
  });

  test('from another address of this machine, and from a port of any', async () => {
    const { port } = await echoServer();
    const there = await open({ port, localAddress: '127.0.0.9' });
    expect(there.localAddress).toBe('127.0.0.9');
    const localPort = await freePort();
    const fixed = await open({ port, localPort });
    expect(fixed.localPort).toBe(localPort);
    // Also while an earlier connection from that port is in TIME_WAIT; and none is for children.
    expect(getSocketOption(fixed.fd, 'reuseAddress')).toBe(true);
    expect(fcntl(fixed.fd, F_GETFD)).toBe(FD_CLOEXEC);
  });

  test('what a server says first is not lost', async () => {
    const server = new TcpServer({ port: 0 });
    toClose.push(server);
    server.on('connection', (connection) => connection.end('welcome'));
    const { port } = await peerServer((socket) => socket.end('welcome'));
    const one = async (to: number): Promise<string> =>
      (await everything(await open({ port: to }))).toString();
    const all = Array.from({ length: 100 }, (_, index) => one(index % 2 ? port : server.port));
    expect(new Set(await Promise.all(all))).toEqual(new Set(['welcome']));
  });

  test('one handler serves many', async () => {
    const { port } = await echoServer();
    const log: string[] = [];
    const handler = {
      onData: (connection: TcpConnection, chunk: Buffer) => {
        log.push(`${connection.attachment} ${chunk}`);
        connection.end();
      },
      onClose: (connection: TcpConnection) => log.push(`${connection.attachment} closed`),
    };
    for (const name of ['a', 'b']) {
      const connection = await open({ port, handler });
      connection.attachment = name;
      connection.write('echo');
    }
    await until(() => log.length === 4);
    expect(log.sort()).toEqual(['a closed', 'a echo', 'b closed', 'b echo']);
  });

  test('the server answers after our end', async () => {
    const { port } = await peerServer((socket) => {
      socket.resume().on('end', () => socket.end('you are done'));
    });
    const connection = await open({ port });
    const received = everything(connection);
    connection.end('bye');
    expect((await received).toString()).toBe('you are done');
  });

  test('we go on after the server’s end, if told so', async () => {
    let text = '';
    const { port } = await peerServer((socket) => {
      socket.end('I am done');
      socket.on('data', (chunk) => {
        text += chunk;
      });
    });
    const connection = await open({ port, allowHalfOpen: true });
    await next(connection, 'end');
    expect(connection.writable).toBe(true);
    // Its close is told before `end` returns: both halves are done then.
    const closed = next(connection, 'close');
    connection.end('not me');
    expect(await closed).toEqual([]);
    await until(() => text === 'not me');
  });

  test('the idle deadline counts what is written, also while the loop sleeps', async () => {
    const { port } = await peerServer((socket) => socket.resume());
    const loop = ownLoop();
    const idle = { onEvents: () => {}, onRevoked: () => {} };
    loop.add(counter(), EPOLLIN, idle);
    await until(() => loop.stats().handovers > 0);
    const now = performance.now.bind(performance);
    let later = 300;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + later);
    const opening = Math.floor(performance.now());
    expect(loop.now).toBeGreaterThanOrEqual(opening);
    const connection = await open({ port, loop });
    expect(connection.lastActivity).toBeGreaterThanOrEqual(opening);
    later += 50;
    const writing = Math.floor(performance.now());
    connection.write('x');
    expect(connection.lastActivity).toBeGreaterThanOrEqual(writing);
    connection.setIdleTimeout(60);
    const [error] = await next(connection, 'close');
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'read' });
    clock.mockRestore();
  });

  test('the write deadline', async () => {
    const { port } = await peerServer((socket) => socket.pause());
    const connection = await open({ port, writeTimeoutMs: 100 });
    while (connection.queuedBytes === 0) connection.write(Buffer.alloc(1_000_000));
    const [error] = await next(connection, 'close');
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'write' });
  });

  test('as a stream: the HTTP client of Node', async () => {
    const server = createHttpServer((incoming, answer) => answer.end(`asked ${incoming.url}`));
    server.listen(0, '127.0.0.1');
    toClose.push({ destroy: () => server.close() });
    await next(server, 'listening');
    const { port } = server.address() as { port: number };
    const stream = new FdDuplex(await open({ port }));
    const sent = request({ path: '/this', createConnection: () => stream as never }).end();
    const [answer] = await next<[IncomingMessage]>(sent, 'response');
    expect((await receiveAll(answer as never)).toString()).toBe('asked /this');
  });

  test('1,000 at once, each with its own echo', async () => {
    const { port } = await echoServer();
    const one = async (index: number): Promise<boolean> => {
      const connection = await open({ port, connectTimeoutMs: 20_000 });
      const received = everything(connection);
      connection.end(`tag ${index}`);
      return (await received).toString() === `tag ${index}`;
    };
    const all = await Promise.all(Array.from({ length: 1000 }, (_, index) => one(index)));
    expect(all.filter((isOwn) => isOwn)).toHaveLength(1000);
  });
});

describe('unix sockets', () => {
  test.each(['path', 'abstract'])('by %s', async (kind) => {
    const name = `\0epoll-ffi-connect-${process.pid}`;
    const path = kind === 'path' ? join(makeFolder(), 'server') : name;
    const server = new UnixServer({ path });
    toClose.push(server);
    server.on('connection', (connection) => {
      connection.on('data', (chunk) => connection.write(chunk));
    });
    const connection = await open({ path });
    const received = everything(connection);
    const sent = randomBytes(500_000);
    connection.end(sent);
    expect(sha(await received)).toBe(sha(sent));
  });

  test('nobody there, nobody listening, a name that is too long', async () => {
    const folder = makeFolder();
    expect(await failure(connect({ path: `${folder}/none` }))).toMatchObject({
      code: 'ENOENT',
      syscall: 'connect',
      address: `${folder}/none`,
      message: `connect ENOENT: no such file or directory ${folder}/none`,
    });
    expect(await failure(connect({ path: '\0epoll-ffi-nobody' }))).toMatchObject({
      code: 'ECONNREFUSED',
      message: 'connect ECONNREFUSED: connection refused @epoll-ffi-nobody',
    });
    await expect(connect({ path: 'x'.repeat(108) })).rejects.toThrow(RangeError);
  });

  test('a backlog that is full: EAGAIN at once', async () => {
    const path = join(makeFolder(), 'full');
    // Nobody accepts on a loop that never has a turn.
    const loop = ownLoop();
    const server = new UnixServer({ path, backlog: 1, loop });
    loop.unref();
    const before = socketCount();
    const tries: Promise<TcpConnection>[] = [];
    for (let count = 0; count < 8; count += 1) tries.push(open({ path }));
    const last = tries.pop() as Promise<TcpConnection>;
    expect(await failure(last)).toMatchObject({
      code: 'EAGAIN',
      syscall: 'connect',
      address: path,
      message: `connect EAGAIN: the backlog of ${path} is full`,
    });
    const [made] = (await Promise.allSettled(tries)).map(({ status }) => status);
    expect(made).toBe('fulfilled');
    for (const one of toClose.splice(0)) one.destroy();
    server.destroy();
    await until(() => socketCount() <= before - 1);
  });
});

describe('in a worker thread', () => {
  const start = (workerData: object): Worker =>
    new Worker(join(ROOT, 'test/net/programs/connect-worker.ts'), {
      workerData,
      execArgv: [...RUNS_TYPESCRIPT],
    });

  test('it connects, talks, and ends', async () => {
    const { port } = await echoServer();
    const worker = start({ port });
    const exit = next(worker, 'exit');
    expect(await next(worker, 'message')).toEqual(['echo']);
    expect(await exit).toEqual([0]);
  });

  test('what is being connected ends with it', async () => {
    const before = socketCount();
    const port = silentPort();
    const used = socketCount();
    const worker = start({ port, count: 10 });
    expect(await next(worker, 'message')).toEqual(['connecting']);
    expect(socketCount()).toBe(used + 10);
    await worker.terminate();
    expect(socketCount()).toBe(used);
    expect(used).toBeGreaterThan(before);
  });
});
