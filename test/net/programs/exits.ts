/**
 * A process in the middle of everything that servers do, which ends in the way its argument says; run
 * by exits.test.ts. There are a file on its way to a client that does not read, a WebSocket, streams
 * on connections and on fds, a connection that is being made, and deadlines on all of it.
 *
 * Usage: exits.ts WAY WAITER. Prints "ready" before it ends, and in the end what is left.
 */
import { ftruncateSync, readdirSync } from 'node:fs';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { sendFile } from '../../../src/http/files/send-file';
import { serveHttp } from '../../../src/http/server/serve-http';
import { EventLoop } from '../../../src/loop/event-loop';
import { connect } from '../../../src/net/client/connect';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { MFD_CLOEXEC, O_CLOEXEC } from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { memfdCreate, pipe2 } from '../../../src/sys/fds';
import { own } from '../../../src/sys/ownership';
import { WebSocketServer } from '../../../src/ws/web-socket-server';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { until } from '../../support/until';
import { UPGRADE_REQUEST } from '../../support/ws-frames';

const [, , way = '', waiter = 'thread'] = process.argv;
const NEVER_MS = 600_000;
const FILE_BYTES = 256 * 1024 * 1024;

/** Begin everything. Returns the servers. */
async function begin(): Promise<(TcpServer | UnixServer | WebSocketServer)[]> {
  const loop = new EventLoop({ waiter: waiter as 'thread' | 'libuv' });
  const limits = { idleTimeoutMs: NEVER_MS, writeTimeoutMs: NEVER_MS, lifetimeMs: NEVER_MS };
  const minReadRate = { bytesPerSecond: 1, windowMs: NEVER_MS };
  const tcp = new TcpServer({ port: 0, loop, trigger: 'edge', minReadRate, ...limits });
  const file = own(unwrap(memfdCreate('file', MFD_CLOEXEC), 'memfd_create'));
  ftruncateSync(file, FILE_BYTES);
  serveHttp(tcp, {}, (_request, response) => void sendFile(response, file));
  const webSocket = new WebSocketServer({ port: 0, loop, ...limits });
  const unix = new UnixServer({ path: `\0epoll-ffi-exits-${process.pid}-${isMainThread}`, loop });
  unix.on('connection', (connection) => {
    const stream = new FdDuplex(connection);
    stream.setTimeout(NEVER_MS);
    // Cut with its server, which is no matter here.
    stream.on('error', () => {}).pipe(stream);
  });
  const download = await connect({ port: tcp.port, loop });
  download.pause();
  // It reads nothing, so it will not learn of the end either.
  download.unref();
  download.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const talker = await connect({ port: webSocket.port, loop });
  talker.write(UPGRADE_REQUEST);
  (await connect({ path: unix.path, loop })).write('echo');
  const ends = new Int32Array(2);
  unwrap(pipe2(ends, O_CLOEXEC), 'pipe2');
  const [reader = -1, writer = -1] = ends;
  const pipe = new FdDuplex({ readFd: reader, writeFd: writer }, { loop });
  // It holds the process as long as it is open, and the servers say when that is over.
  unix.on('close', () => pipe.destroy());
  pipe.write(Buffer.alloc(512 * 1024));
  connect({ port: tcp.port, loop }).catch(() => {});
  const isBusy = (): boolean =>
    [...tcp.connections].some(({ queuedFileBytes }) => queuedFileBytes > 0) &&
    webSocket.clients.size === 1 &&
    unix.connections.size === 1;
  await until(isBusy);
  return [tcp, webSocket, unix];
}

const ways: Record<string, (servers: Awaited<ReturnType<typeof begin>>) => unknown> = {
  exit: () => process.exit(3),
  throw: () =>
    setImmediate(() => {
      throw new Error('not caught');
    }),
  destroy: (servers) => {
    for (const server of servers) server.destroy();
  },
  async shutdown(servers) {
    const results = await Promise.all(servers.map((server) => server.shutdown({ deadlineMs: 50 })));
    console.log(`cut ${results.reduce((sum, { cut }) => sum + cut, 0) > 0}`);
  },
};

const openFds = (): number => readdirSync('/proc/self/fd').length;

/** A worker in the middle of it all is terminated, and all fds are as before. */
async function terminate(): Promise<void> {
  const start = (): Worker => {
    const execArgv = [...RUNS_TYPESCRIPT];
    return new Worker(__filename, { execArgv, argv: ['work', 'thread'] });
  };
  // What the first worker of a process leaves open is Node's.
  for (const round of [1, 2]) {
    const before = openFds();
    const worker = start();
    await new Promise((resolve) => worker.once('message', resolve));
    if (round === 2) console.log('ready');
    await worker.terminate();
    if (round === 2) {
      await until(() => openFds() <= before);
      console.log(`left ${Math.max(0, openFds() - before)}`);
    }
  }
}

async function main(): Promise<void> {
  if (way === 'terminate') return terminate();
  const servers = await begin();
  console.log('ready');
  await ways[way]?.(servers);
}

if (isMainThread) void main();
else void begin().then(() => parentPort?.postMessage('busy'));
