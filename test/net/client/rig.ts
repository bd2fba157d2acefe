/** Servers of node:net to connect to, and connections that are closed after the test. */
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { EventLoop } from '../../../src/loop/event-loop';
import { connect } from '../../../src/net/client/connect';
import type { ConnectOptions } from '../../../src/net/client/options';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { next } from '../../support/until';

export const toClose: { destroy(): void }[] = [];
const loops: EventLoop[] = [];

afterEach(() => {
  for (const one of toClose.splice(0)) one.destroy();
  for (const loop of loops.splice(0)) loop.close();
});

/** A server of node:net, and its port. */
export async function peerServer(
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

export const echoServer = (where?: ListenOptions): ReturnType<typeof peerServer> =>
  peerServer((socket) => socket.pipe(socket), where);

/** A port at which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await next(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await next(server, 'close');
  return port;
}

export async function open(options: ConnectOptions): Promise<TcpConnection> {
  const connection = await connect(options);
  toClose.push(connection);
  return connection;
}

export function ownLoop(options: ConstructorParameters<typeof EventLoop>[0] = {}): EventLoop {
  const loop = new EventLoop(options);
  loops.push(loop);
  return loop;
}

export async function failure(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  const error = await promise.then(
    () => new Error('it was connected'),
    (reason) => reason,
  );
  return { ...error, name: error.name, message: error.message };
}
