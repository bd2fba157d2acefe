/** A server that was just connected to, with both sides; ended after the test. */
import type { NetConnectOpts, Socket } from 'node:net';
import type { TcpConnection } from '../../src/net/connection/tcp-connection';
import { TcpServer, type TcpServerOptions } from '../../src/net/server/tcp-server';
import { encodeAddress } from '../../src/sys/address';
import { AF_INET, SO_RCVBUF, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET } from '../../src/sys/constants';
import { unwrap } from '../../src/sys/errno';
import { setNonBlocking } from '../../src/sys/io';
import { connect, setsockopt, socket } from '../../src/sys/socket';
import { client } from './client';
import { closeLater } from './fds';
import { next } from './until';

const servers: { destroy(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.destroy();
});

/** Destroy `server` after the test. */
export function destroyLater<S extends { destroy(): void }>(server: S): S {
  servers.push(server);
  return server;
}

export function serve(options: Partial<TcpServerOptions> = {}): TcpServer {
  return destroyLater(new TcpServer({ port: 0, ...options }));
}

/** A client of node:net, which reads nothing until it is told to, and the server's end of it. */
export async function connectedTo(
  server: TcpServer,
  options: Partial<NetConnectOpts> = {},
): Promise<{ connection: TcpConnection; peer: Socket }> {
  const accepted = next<[TcpConnection]>(server, 'connection');
  const peer = await client(server.port, options);
  const [connection] = await accepted;
  return { connection, peer };
}

/** As {@link connectedTo}, with a server of its own. */
export async function connected(
  options: Partial<TcpServerOptions> = {},
): Promise<{ server: TcpServer; connection: TcpConnection; peer: Socket }> {
  const server = serve(options);
  return { server, ...(await connectedTo(server)) };
}

/**
 * A bare non-blocking fd, connected to `server`, whose receive buffer is small if so told. For tests of
 * resets: node:net may take one behind bytes for an end.
 */
export function fdTo(server: TcpServer, receiveBufferBytes?: number): number {
  const fd = closeLater(unwrap(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket'));
  if (receiveBufferBytes !== undefined) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, Int32Array.of(receiveBufferBytes));
  }
  unwrap(connect(fd, encodeAddress(server.address)), 'connect');
  setNonBlocking(fd);
  return fd;
}

/** As {@link connected}, with the client of {@link fdTo}. */
export async function connectedFd(
  options: Partial<TcpServerOptions> = {},
  receiveBufferBytes?: number,
): Promise<{ server: TcpServer; connection: TcpConnection; fd: number }> {
  const server = serve(options);
  const accepted = next<[TcpConnection]>(server, 'connection');
  const fd = fdTo(server, receiveBufferBytes);
  const [connection] = await accepted;
  return { server, connection, fd };
}

/** Write until the kernel takes no more and something is queued. Returns the bytes. */
export function clog(connection: TcpConnection): number {
  const chunk = Buffer.alloc(256 * 1024, 'x');
  let written = 0;
  while (connection.queuedBytes === 0 && connection.writable) {
    connection.write(chunk);
    written += chunk.length;
  }
  return written;
}

/** Whether the deadlines of `connection` cut it, if the clock says `time`. */
export function isCutAt(connection: TcpConnection, time: number): boolean {
  const clock = jest.spyOn(performance, 'now').mockReturnValue(time);
  connection.onTimer();
  clock.mockRestore();
  return connection.closed;
}
