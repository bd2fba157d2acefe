import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, request } from 'node:http';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EventLoop } from '../../../src/loop/event-loop';
import { connect } from '../../../src/net/client/connect';
import type { ConnectOptions, TcpConnectOptions } from '../../../src/net/client/options';
import type { TcpConnection } from '../../../src/net/connection/connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { getSocketOption } from '../../../src/net/socket/options';
import { encodeAddress } from '../../../src/sys/address';
import {
  AF_INET,
  AF_INET6,
  EPOLLIN,
  F_GETFD,
  FD_CLOEXEC,
  SOCK_CLOEXEC,
  SOCK_STREAM,
} from '../../../src/sys/constants';
import { fcntl } from '../../../src/sys/io';
import { bind, socket } from '../../../src/sys/socket';
import { Child, ROOT, runTs } from '../../support/child';
import { receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { watchedMask } from '../../support/fdinfo';
import { closeLater, counter, replace } from '../../support/fds';
import { makeFolder } from '../../support/folder';
import { silentPort } from '../../support/full-listener';
import { IN_NAMESPACE_WITH_SYSCTLS } from '../../support/namespace';
import { socketCount } from '../../support/open-fds';
import { testWith } from '../../support/requires';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const toClose: { destroy(): void }[] = [];
const loops: EventLoop[] = [];
afterEach(() => {
  for (const one of toClose.splice(0)) one.destroy();
  for (const loop of loops.splice(0)) loop.close();
});

/** A server of node:net, and its port. */
async function peerServer(
  onSocket: (socket: Socket) => void,
  where: ListenOptions = { host: '127.0.0.1', port: 0 },
): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    toClose.push(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  server.listen(where);
  toClose.push({ destroy: () => server.close() });
  await next(server, 'listening');
  const address = server.address();
  return { server, port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
}

const echoServer = (where?: ListenOptions): ReturnType<typeof peerServer> =>
  peerServer((socket) => socket.pipe(socket), where);

/** A port at which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await next(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await next(server, 'close');
  return port;
}

async function open(options: ConnectOptions): Promise<TcpConnection> {
  const connection = await connect(options);
  toClose.push(connection);
  return connection;
}

function ownLoop(options: ConstructorParameters<typeof EventLoop>[0] = {}): EventLoop {
  const loop = new EventLoop(options);
  loops.push(loop);
  return loop;
}

/** What comes until the connection closes. */
function everything(connection: TcpConnection): Promise<Buffer> {
  const chunks: Buffer[] = [];
  connection.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
  return next(connection, 'close').then(() => Buffer.concat(chunks));
}

async function failure(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  const error = await promise.then(
    () => new Error('it was connected'),
    (reason) => reason,
  );
  return { ...error, name: error.name, message: error.message };
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
    expect(connection.localAddress).toMatchObject({ family: 'IPv4', address: '127.0.0.1' });
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
    expect(first.localAddress).toEqual({ family: 'IPv6', address: '::1', port: localPort });
    expect([first.remoteAddress, first.remotePort]).toEqual(['::1', port]);
    const second = await open({ host: '::1', port, localAddress: '::1' });
    expect(second.localAddress?.address).toBe('::1');
  });

  test('from another address of this machine, and from a port of any', async () => {
    const { port } = await echoServer();
    const there = await open({ port, localAddress: '127.0.0.9' });
    expect(there.localAddress?.address).toBe('127.0.0.9');
    const localPort = await freePort();
    const fixed = await open({ port, localPort });
    expect(fixed.localAddress?.port).toBe(localPort);
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
    const asleep = performance.now();
    await until(() => performance.now() - asleep > 300);
    expect(loop.now).toBeGreaterThanOrEqual(Math.floor(asleep) + 300);
    const opening = Math.floor(performance.now());
    const connection = await open({ port, loop });
    expect(connection.lastActivity).toBeGreaterThanOrEqual(opening);
    await until(() => performance.now() >= connection.lastActivity + 50);
    const writing = Math.floor(performance.now());
    connection.write('x');
    expect(connection.lastActivity).toBeGreaterThanOrEqual(writing);
    connection.setIdleTimeout(60);
    const [error] = await next(connection, 'close');
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'read' });
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

describe('giving up', () => {
  test('an abort, before and while connecting', async () => {
    const port = silentPort();
    const reason = new Error('changed my mind');
    await expect(connect({ port, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const { signal } = controller;
    const loop = ownLoop();
    const before = socketCount();
    const tries = Array.from({ length: 20 }, () =>
      connect({ port, signal, loop, connectTimeoutMs: 10_000 }).catch((error) => error),
    );
    expect(socketCount()).toBe(before + 20);
    expect(loop.stats()).toMatchObject({ watched: 20, timers: 20 });
    controller.abort(reason);
    expect(new Set(await Promise.all(tries))).toEqual(new Set([reason]));
    expect(socketCount()).toBe(before);
    expect(loop.stats()).toMatchObject({ watched: 0, timers: 0 });
  });

  test('an abort after connecting means nothing', async () => {
    const { port } = await echoServer();
    const controller = new AbortController();
    const connection = await open({ port, signal: controller.signal, connectTimeoutMs: 50 });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    connection.write('still');
    expect(await next(connection, 'data')).toEqual([Buffer.from('still')]);
    expect(connection.loop.timers.size).toBe(0);
  });

  test('a loop that is closed', async () => {
    const port = silentPort();
    const loop = ownLoop();
    const before = socketCount();
    const pending = connect({ port, loop });
    expect(socketCount()).toBe(before + 1);
    loop.close();
    await expect(pending).rejects.toMatchObject({ code: 'ERR_LOOP_CLOSED' });
    await expect(connect({ port, loop })).rejects.toMatchObject({ code: 'ERR_LOOP_CLOSED' });
    expect(socketCount()).toBe(before);
  });

  test('an fd that somebody else closed is told, and its successor is not closed', async () => {
    const port = silentPort();
    const loop = ownLoop();
    const pending = connect({ port, loop, connectTimeoutMs: 10_000 });
    const fds = readdirSync('/proc/self/fd').map(Number);
    const fd = fds.find((one) => watchedMask(loop, one) !== undefined) as number;
    replace(fd);
    loop.add(fd, EPOLLIN, { onEvents: () => {}, onRevoked: () => {} });
    await expect(pending).rejects.toMatchObject({ code: 'EBADF' });
    expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe('anon_inode:[eventfd]');
    expect(loop.timers.size).toBe(0);
  });
});

describe('errors', () => {
  test('an address to connect from that is taken, or not ours', async () => {
    const { port } = await echoServer();
    expect(await failure(connect({ port, localPort: port }))).toMatchObject({
      code: 'EADDRINUSE',
      syscall: 'connect',
      address: '127.0.0.1',
      port,
      message: `connect EADDRINUSE: address already in use: cannot connect from 0.0.0.0:${port}`,
    });
    expect(await failure(connect({ port, localAddress: '192.0.2.1' }))).toMatchObject({
      code: 'EADDRNOTAVAIL',
      syscall: 'connect',
      port,
      message: expect.stringContaining('cannot connect from 192.0.2.1:0'),
    });
  });

  test.each([
    [{ port: 80, host: 'example.org' }, 'host', 'node:dns'],
    [{ port: 80, address: 'example.org' }, 'address', 'node:dns'],
    [{ port: 80, host: '' }, 'host', 'node:dns'],
    [{ port: 80, host: '127.1' }, 'host', 'node:dns'],
    [{ port: 80, localAddress: 'example.org' }, 'localAddress', 'node:dns'],
    [{ port: 80, localAddress: '::1' }, 'localAddress', 'IPv4'],
    [{ port: 80, host: 'fe80::1%nosuch0' }, 'address', 'interface'],
  ])('%j is no address: a RangeError that says so', async (options, name, text) => {
    const error = await failure(connect(options));
    expect(error).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    expect(error['message']).toContain(`"${name}"`);
    expect(error['message']).toContain(text);
  });

  test.each([
    [{}, 'port'],
    [{ port: 0 }, 'port'],
    [{ port: 65_536 }, 'port'],
    [{ port: '80' }, 'port'],
    [{ port: 80, host: '::1', address: '::1' }, 'address'],
    [{ port: 80, host: 5 }, 'host'],
    [{ port: 80, localPort: -1 }, 'localPort'],
    [{ port: 80, connectTimeoutMs: Number.NaN }, 'connectTimeoutMs'],
    [{ port: 80, signal: {} }, 'signal'],
    [{ port: 80, handler: {} }, 'handler'],
    [{ port: 80, prot: 1 }, 'prot'],
    [{ path: '' }, 'path'],
    [{ path: '/x', port: 80 }, 'port'],
    [undefined, 'options of connect'],
    [null, 'options of connect'],
  ])('the options %j are refused, and the error says which', async (options, name) => {
    await expect(connect(options as TcpConnectOptions)).rejects.toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining(name),
    });
  });

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['0.0.0.0', '127.0.0.1'],
  ])('a port of our own at which nobody listens is no server: %s', async (host, localAddress) => {
    const [port, before, loop] = [await freePort(), socketCount(), ownLoop()];
    const toItself = { host, port, localAddress, localPort: port, loop };
    expect(await failure(connect(toItself))).toMatchObject({
      name: 'SystemError',
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: host,
      port,
      message: `connect ECONNREFUSED: no server listens at ${host}:${port}, the socket met itself`,
    });
    expect([socketCount(), loop.stats().watched]).toEqual([before, 0]);
    // The port is free at once, also without SO_REUSEADDR: not even a TIME_WAIT is left there.
    const family = host.includes(':') ? AF_INET6 : AF_INET;
    const fd = closeLater(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    expect(bind(fd, encodeAddress({ address: localAddress, port }))).toBe(0);
  });

  test('with all fds used: EMFILE, nothing leaks, and later it works again', async () => {
    const { port } = await echoServer();
    const child = new Child('sh', [
      '-c',
      `ulimit -n 64; exec "${process.execPath}" ${RUNS_TYPESCRIPT.join(' ')} ${ROOT}/test/net/programs/connect-scarce.ts ${port}`,
    ]);
    expect([await child.exit(), child.stderr]).toEqual([{ code: 0, signal: null }, '']);
    expect(JSON.parse(child.stdout)).toEqual({
      codes: ['EMFILE connect'],
      afterOne: 'connected',
      more: 0,
    });
  });

  testWith(
    IN_NAMESPACE_WITH_SYSCTLS?.join(' ') ?? null,
    'a network namespace with veth and a writable /proc/sys/net',
  )('of the network: no route, no neighbour, no answer, no port', async () => {
    const script = [
      'ip link set lo up; ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up',
      'ip addr add 10.77.0.1/24 dev v0; ip route add unreachable 10.78.0.0/24',
      // Who has 10.77.0.3, nobody tells; what is sent to 10.77.0.2 goes nowhere.
      'ip neigh add 10.77.0.2 lladdr 02:00:00:00:00:02 dev v0',
      'cd /proc/sys/net/ipv4; echo 1 > tcp_syn_retries || exit 1',
      'echo 1 > neigh/v0/mcast_solicit; echo 100 > neigh/v0/retrans_time_ms',
      'echo "50000 50001" > ip_local_port_range || exit 1; cd "$OLDPWD"; exec "$0" "$@"',
    ].join('\n');
    const command = [...(IN_NAMESPACE_WITH_SYSCTLS as string[]), 'sh', '-c', script];
    const child = runTs('test/net/programs/connect-namespace.ts', { command });
    expect([await child.exit(), child.stderr]).toEqual([{ code: 0, signal: null }, '']);
    expect(JSON.parse(child.stdout)).toEqual({
      noRoute: 'ENETUNREACH 192.0.2.1:80',
      unreachable: 'EHOSTUNREACH 10.78.0.1:80',
      noNeighbour: 'EHOSTUNREACH 10.77.0.3:80',
      kernelGaveUp: 'ETIMEDOUT 10.77.0.2:80 connection timed out',
      weGaveUp: 'ETIMEDOUT 10.77.0.2:80 no answer',
      ports: ['connected', 'connected', 'EADDRNOTAVAIL'],
    });
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
