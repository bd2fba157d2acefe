/**
 * Emitters that fail, each without a listener of `error` and with one; run by unheard.test.ts.
 * Prints one object: for each, what was uncaught, warned of, heard by the listener, and in `close`.
 */
import { closeSync } from 'node:fs';
import { createServer, connect as dial, type Socket } from 'node:net';
import {
  connect,
  constants,
  DatagramSocket,
  FdReader,
  FdWatcher,
  FdWriter,
  SystemError,
  sys,
  type TcpConnection,
  TcpServer,
  UnixServer,
  type WebSocketConnection,
  WebSocketServer,
  type WebSocketServerOptions,
} from '../../../src';
import { next, until } from '../../support/until';

type Code = string | undefined;
interface Emitter {
  on(event: never, listener: never): unknown;
}
/** Calls `made` with what it is about, makes that fail, and returns when all is reported. */
type Case = (made: (emitter: Emitter) => void) => Promise<void>;

interface Outcome {
  uncaught: Code[];
  warned: Code[];
  heard: Code[];
  closed: Code[];
}

const { AF_UNIX, O_CLOEXEC, SHUT_RDWR, SOCK_STREAM } = constants;
const { EBADF, EMFILE, ENOMEM } = sys.errno;
const LOOPBACK = '127.0.0.1';
const UPGRADE =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

let outcome: Outcome;
const codeOf = (error: unknown): Code =>
  (error as NodeJS.ErrnoException).code ?? (error as Error).message;
process.on('uncaughtException', (error) => outcome.uncaught.push(codeOf(error)));
process.on('warning', (warning) => outcome.warned.push(codeOf(warning)));

const isReported = (): boolean => outcome.uncaught.length + outcome.warned.length > 0;
const isHeard = (): boolean => isReported() || outcome.heard.length > 0;
const isClosed = (): boolean => outcome.closed.length > 0;

function fdPair(make: (fds: Int32Array) => number): [number, number] {
  const fds = new Int32Array(2);
  sys.unwrap(make(fds), 'pair');
  return [fds[0] as number, fds[1] as number];
}

const messages = require('../../../src/sys/message') as typeof import('../../../src/sys/message');

/** A datagram comes, and recvmmsg(2) gives `-errno`, once. */
function receiving(errno: number): Case {
  return async (made) => {
    const socket = new DatagramSocket({ bind: { address: LOOPBACK, port: 0 } });
    made(socket);
    socket.on('message', () => {});
    const { recvmmsg } = messages;
    let calls = 0;
    Object.assign(messages, {
      recvmmsg: () => {
        calls += 1;
        Object.assign(messages, { recvmmsg });
        return -errno;
      },
    });
    socket.send('x', socket.address as sys.SocketAddress);
    await until(() => calls > 0 && isHeard());
    socket.close();
    await until(isClosed);
  };
}

async function refusedDatagram(made: (emitter: Emitter) => void): Promise<void> {
  const nobody = new DatagramSocket({ bind: { address: LOOPBACK, port: 0 } });
  const to = nobody.address as sys.SocketAddress;
  nobody.close();
  const socket = new DatagramSocket({ connect: to });
  made(socket);
  socket.send('x');
  // The answer is there when send returns: the next call meets it.
  socket.send('x');
  await new Promise((resolve) => setImmediate(resolve));
  socket.close();
  await until(isClosed);
}

/** The listener is shut down by somebody who shares it. */
function shutDown(make: () => TcpServer | UnixServer | WebSocketServer): Case {
  return async (made) => {
    const server = make();
    made(server);
    const { fd } = server instanceof WebSocketServer ? server.server : server;
    sys.unwrap(sys.shutdown(fd, SHUT_RDWR), 'shutdown');
    await until(() => isHeard() && isClosed());
  };
}

function fullTable(make: () => TcpServer | WebSocketServer): Case {
  return async (made) => {
    const server = make();
    made(server);
    const { onAcceptError } = TcpServer.prototype;
    const under = server instanceof WebSocketServer ? server.server : server;
    for (let times = 0; times < 3; times += 1) {
      onAcceptError.call(under, new SystemError('accept4', EMFILE));
    }
    await until(isHeard);
    under.destroy();
    await until(isClosed);
  };
}

function authorizing(authorize: WebSocketServerOptions['authorize']): Case {
  return async (made) => {
    const server = new WebSocketServer({ port: 0, host: LOOPBACK, authorize: authorize as never });
    made(server);
    const peer = dial(server.port, LOOPBACK).resume();
    peer.write(UPGRADE);
    await next(peer, 'close');
    await until(isHeard);
    server.server.destroy();
    await until(isClosed);
  };
}

/** A WebSocket whose peer does `harm`. */
function webSocket(harm: (peer: Socket) => void): Case {
  return async (made) => {
    const server = new WebSocketServer({ port: 0, host: LOOPBACK });
    const opened = next<[WebSocketConnection]>(server, 'connection');
    const peer = dial(server.port, LOOPBACK);
    peer.write(UPGRADE);
    made((await opened)[0]);
    await next(peer, 'data');
    harm(peer.resume());
    await until(isClosed);
    server.server.destroy();
  };
}

const cases: Record<string, Case> = {
  FdWatcher: async (made) => {
    const [readFd, writeFd] = fdPair((fds) => sys.pipe2(fds, O_CLOEXEC));
    const watcher = new FdWatcher(writeFd, { priority: true, autoClose: true });
    made(watcher);
    closeSync(readFd);
    await until(isHeard);
    watcher.close();
    await until(isClosed);
  },
  FdReader: async (made) => {
    const [ours, peers] = fdPair((fds) => sys.socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    const reader = new FdReader(ours);
    made(reader);
    sys.write(ours, Buffer.from('unread, which makes the close a reset'));
    closeSync(peers);
    reader.on('data', () => {});
    await until(isClosed);
  },
  FdWriter: async (made) => {
    const [readFd, writeFd] = fdPair((fds) => sys.pipe2(fds, O_CLOEXEC));
    const writer = new FdWriter(writeFd);
    made(writer);
    closeSync(readFd);
    writer.write('x');
    await until(isClosed);
  },
  'DatagramSocket, broken': receiving(EBADF),
  'DatagramSocket, no memory': receiving(ENOMEM),
  'DatagramSocket, refused': refusedDatagram,
  'TcpServer, shut down': shutDown(() => new TcpServer({ port: 0, host: LOOPBACK })),
  'UnixServer, shut down': shutDown(() => new UnixServer({ path: `\0unheard-${process.pid}` })),
  'WebSocketServer, shut down': shutDown(() => new WebSocketServer({ port: 0, host: LOOPBACK })),
  'TcpServer, full': fullTable(() => new TcpServer({ port: 0, host: LOOPBACK })),
  'WebSocketServer, full': fullTable(() => new WebSocketServer({ port: 0, host: LOOPBACK })),
  'WebSocketServer, no verdict': authorizing((() => undefined) as never),
  'WebSocketServer, authorize throws': authorizing(() => {
    throw new Error('a mistake');
  }),
  'WebSocketServer on a TcpServer with a listener': async (made) => {
    const server = new TcpServer({ port: 0, host: LOOPBACK });
    server.on('error', () => {});
    made(new WebSocketServer({ server }));
    sys.unwrap(sys.shutdown(server.fd, SHUT_RDWR), 'shutdown');
    await until(isClosed);
  },
  'StreamConnection, accepted': async (made) => {
    const server = new TcpServer({ port: 0, host: LOOPBACK });
    const accepted = next<[TcpConnection]>(server, 'connection');
    const peer = dial(server.port, LOOPBACK);
    made((await accepted)[0]);
    peer.resetAndDestroy();
    await until(isClosed);
    server.destroy();
  },
  'StreamConnection, connected': async (made) => {
    const server = createServer((peer) => peer.on('data', () => peer.resetAndDestroy())).listen(
      0,
      LOOPBACK,
    );
    await next(server, 'listening');
    const { port } = server.address() as { port: number };
    const connection = await connect({ host: LOOPBACK, port });
    made(connection);
    connection.write('x');
    await until(isClosed);
    server.close();
  },
  'WebSocketConnection, reset': webSocket((peer) => peer.resetAndDestroy()),
  'WebSocketConnection, no mask': webSocket((peer) => peer.write(Buffer.from([0x81, 0x00]))),
};

async function run(fails: Case, isListening: boolean): Promise<Outcome> {
  outcome = { uncaught: [], warned: [], heard: [], closed: [] };
  await fails((emitter) => {
    const on = emitter.on.bind(emitter) as (
      event: string,
      listener: (...args: unknown[]) => void,
    ) => void;
    if (isListening) on('error', (error) => outcome.heard.push(codeOf(error)));
    on('close', (...args) => {
      outcome.closed.push(codeOf(args.find((arg) => arg instanceof Error) ?? new Error('')));
    });
  });
  // What is raised or warned of has its tick.
  await new Promise((resolve) => setImmediate(resolve));
  return outcome;
}

async function main(): Promise<void> {
  const results: Record<string, [unheard: Outcome, heard: Outcome]> = {};
  for (const [name, fails] of Object.entries(cases)) {
    results[name] = [await run(fails, false), await run(fails, true)];
  }
  console.log(JSON.stringify(results));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
