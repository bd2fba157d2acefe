/** Who is accepted, and who is turned away. */
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { DroppedConnection } from '../../../src/net/server/drop';
import type { StreamServer } from '../../../src/net/server/stream-server';
import { TcpServer, type TcpServerOptions } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { tcpInfo } from '../../../src/net/socket/tcp-info';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../../../src/sys/constants';
import { errno, unwrap } from '../../../src/sys/errno';
import { connect, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { ROOT } from '../../support/child';
import { client, receive } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater } from '../../support/fds';
import { makeFolder } from '../../support/folder';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const servers: StreamServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.destroy();
});

function greet<S extends StreamServer>(server: S): S {
  servers.push(server);
  server.on('connection', (connection) => connection.write('hello'));
  return server;
}

const serve = (options: Partial<TcpServerOptions>): TcpServer =>
  greet(new TcpServer({ port: 0, ...options }));

/** Whether this client is greeted; false if it is cut. */
const isGreeted = (peer: Socket): Promise<boolean> =>
  receive(peer, 5).then(
    () => true,
    () => false,
  );

test('beyond maxConnections clients are cut with a drop event, and one that leaves makes room', async () => {
  const server = serve({ maxConnections: 2 });
  const dropped = jest.fn<void, [DroppedConnection]>();
  server.on('drop', dropped);
  const first = await client(server.port);
  const second = await client(server.port);
  expect([await isGreeted(first), await isGreeted(second)]).toEqual([true, true]);
  const third = await client(server.port);
  const { localPort } = third;
  expect(await isGreeted(third)).toBe(false);
  expect(dropped.mock.calls).toEqual([
    [
      {
        reason: 'maxConnections',
        localAddress: '127.0.0.1',
        localPort: server.port,
        localFamily: 'IPv4',
        remoteAddress: '127.0.0.1',
        remotePort: localPort,
        remoteFamily: 'IPv4',
      },
    ],
  ]);
  first.destroy();
  await until(() => server.connections.size === 1);
  expect(await isGreeted(await client(server.port))).toBe(true);
  expect([server.connections.size, server.dropped]).toEqual([2, 1]);
});

test('one address that floods has its share, and another is served', async () => {
  const server = serve({ host: '0.0.0.0', maxConnectionsPerAddress: 3 });
  const reasons: string[] = [];
  server.on('drop', ({ reason, remoteAddress }) => reasons.push(`${reason} ${remoteAddress}`));
  const flood = await Promise.all(
    Array.from({ length: 50 }, () => client(server.port, { localAddress: '127.0.0.2' })),
  );
  const greeted = await Promise.all(flood.map(isGreeted));
  expect(greeted.filter(Boolean)).toHaveLength(3);
  const honest = await client(server.port, { localAddress: '127.0.0.3' });
  expect(await isGreeted(honest)).toBe(true);
  expect(reasons).toEqual(Array.from({ length: 47 }, () => 'maxConnectionsPerAddress 127.0.0.2'));
  flood[greeted.indexOf(true)]?.destroy();
  await until(() => server.connections.size === 3);
  const again = await client(server.port, { localAddress: '127.0.0.2' });
  expect(await isGreeted(again)).toBe(true);
});

test('dual stack: IPv4 clients are themselves there, and IPv6 ones their /64', async () => {
  const server = serve({ host: '::', maxConnectionsPerAddress: 1 });
  const hosts = ['127.0.0.2', '127.0.0.3', '::1'];
  const dial = (address: string): Promise<Socket> =>
    client(server.port, {
      host: address.includes(':') ? '::1' : '127.0.0.1',
      localAddress: address,
    });
  const greeted = async (): Promise<boolean[]> =>
    Promise.all(hosts.map(async (address) => isGreeted(await dial(address))));
  expect(await greeted()).toEqual([true, true, true]);
  expect(await greeted()).toEqual([false, false, false]);
});

test('a unix server has the same limits, by user', async () => {
  const folder = makeFolder();
  for (const [name, limit] of Object.entries({ maxConnections: 1, maxConnectionsPerUser: 1 })) {
    const path = join(folder, name);
    const server = greet(new UnixServer({ path, [name]: limit }));
    const dropped = next<[DroppedConnection]>(server, 'drop');
    expect(await isGreeted(await client(0, { path } as never))).toBe(true);
    expect(await isGreeted(await client(0, { path } as never))).toBe(false);
    expect(await dropped).toEqual([{ reason: name }]);
  }
});

test('backlog: so many wait at most to be accepted', async () => {
  for (const backlog of [5, 50]) {
    // For a socket that listens, the kernel tells the length of its queue here.
    expect(tcpInfo(serve({ backlog }).fd).sacked).toBe(backlog);
    const server = greet(new UnixServer({ path: `\0epoll-ffi-backlog-${process.pid}`, backlog }));
    const peers: number[] = [];
    let outcome = 0;
    // In one turn, in which nobody is accepted.
    while (outcome === 0 && peers.length < 200) {
      const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
      const fd = closeLater(unwrap(socket(AF_UNIX, type, 0), 'socket'));
      outcome = connect(fd, encodeUnixAddress({ path: server.path }));
      peers.push(fd);
    }
    // The kernel lets one more in than it was told.
    expect([outcome, peers.length - 1]).toEqual([-errno.EAGAIN, backlog + 1]);
    await until(() => server.connections.size === backlog + 1);
    server.destroy();
  }
});

test('with deferAcceptSeconds a client is accepted when it has sent something', async () => {
  const server = serve({ deferAcceptSeconds: 30 });
  const silent = await client(server.port);
  const talker = await client(server.port);
  talker.write('x');
  expect(await isGreeted(talker)).toBe(true);
  expect([...server.connections].map(({ remotePort }) => remotePort)).toEqual([talker.localPort]);
  silent.write('x');
  expect(await isGreeted(silent)).toBe(true);
});

test('a listener of drop that throws, or closes the server, costs nothing else', async () => {
  const server = serve({ maxConnections: 1 });
  const thrown = jest.spyOn(server.loop, 'uncaught').mockImplementation(() => {});
  server.once('drop', () => {
    throw new Error('in a listener');
  });
  expect(await isGreeted(await client(server.port))).toBe(true);
  expect(await isGreeted(await client(server.port))).toBe(false);
  await until(() => thrown.mock.calls.length === 1);
  thrown.mockRestore();
  server.once('drop', () => server.destroy());
  const closed = next(server, 'close');
  expect(await isGreeted(await client(server.port))).toBe(false);
  await closed;
});

test('in a worker, which is terminated and leaves no fd', async () => {
  const worker = new Worker(join(ROOT, 'test/net/programs/accept-worker.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
  });
  const [port] = await next<[number]>(worker, 'message');
  const dropped = next(worker, 'message');
  const peers = [await client(port), await client(port)];
  const gone = peers.map((peer) => (peer.closed ? null : next(peer.resume(), 'close')));
  expect(await dropped).toEqual(['maxConnectionsPerAddress']);
  await worker.terminate();
  await Promise.all(gone);
});

test.each([
  { maxConnections: 0 },
  { maxConnections: 1.5 },
  { maxConnectionsPerAddress: 0 },
  { deferAcceptSeconds: -1 },
])('the options %j are refused by name', (options) => {
  const [name] = Object.keys(options);
  expect(() => new TcpServer({ port: 0, ...options })).toThrow(
    new RegExp(`option "${name}" of TcpServer`),
  );
});
