/** Fds of ours that somebody else closed: their numbers belong to others by then. */
import { createServer } from 'node:net';
import { defaultLoop } from '../../../src/loop/default-loop';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { DatagramSocket } from '../../../src/net/datagram/socket';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { EPOLLIN } from '../../../src/sys/constants';
import { client, receive } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { listenerFd } from '../../support/fdinfo';
import { closeNow, replace } from '../../support/fds';
import { next, until } from '../../support/until';

expectNoFdLeaks();

/** Have the loop watch something else under the number `fd`. */
function takeOver(fd: number): () => void {
  replace(fd);
  const handler = { onEvents: () => {}, onRevoked: () => {} };
  const registration = defaultLoop().add(fd, EPOLLIN, handler);
  return () => {
    registration.remove();
    // Fails if somebody has closed it meanwhile.
    closeNow(fd);
  };
}

test('a connection emits close with the error, and closes no fd', async () => {
  const server = new TcpServer({ port: 0 });
  const connections: TcpConnection[] = [];
  server.on('connection', (connection) => connections.push(connection));
  const [first, second] = [await client(server.port), await client(server.port)];
  await until(() => connections.length === 2);
  const [lost, kept] = connections as [TcpConnection, TcpConnection];
  const closed = next<[{ code: string }]>(lost, 'close');
  const release = takeOver(lost.fd);
  expect((await closed)[0].code).toBe('EBADF');
  expect(lost.closed).toBe(true);
  await next(first, 'close');
  // The others do not notice.
  kept.on('data', (chunk) => kept.write(chunk));
  second.write('hello');
  expect((await receive(second, 5)).toString()).toBe('hello');
  release();
  server.destroy();
});

test('a server emits an error, closes no fd, and keeps its connections', async () => {
  const server = new TcpServer({ port: 0 });
  const connected = next<[TcpConnection]>(server, 'connection');
  const socket = await client(server.port);
  const [connection] = await connected;
  const failed = next<[{ code: string }]>(server, 'error');
  const release = takeOver(listenerFd(server.port));
  expect((await failed)[0].code).toBe('EBADF');
  expect(server.listening).toBe(false);
  connection.on('data', (chunk) => connection.write(chunk));
  socket.write('still');
  expect((await receive(socket, 5)).toString()).toBe('still');
  release();
  server.destroy();
});

test('a datagram socket emits an error, and closes no fd', async () => {
  const socket = new DatagramSocket({ bind: { address: '127.0.0.1', port: 0 } });
  const failed = next<[{ code: string }]>(socket, 'error');
  const release = takeOver(socket.fd);
  expect((await failed)[0].code).toBe('EBADF');
  expect(socket.closed).toBe(true);
  release();
});

test('the port is free again after that', async () => {
  const server = new TcpServer({ port: 0 });
  const { port } = server;
  server.on('error', () => {});
  takeOver(listenerFd(port))();
  const another = createServer().listen(port, '127.0.0.1');
  await next(another, 'listening');
  another.close();
});
