import { finished } from 'node:stream/promises';
import { FdDuplex } from '../../src/net/fd-duplex';
import type { TcpConnection } from '../../src/net/tcp-connection';
import { TcpServer } from '../../src/net/tcp-server';
import { client, receive, receiveAll } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next, until } from '../support/until';

expectNoFdLeaks();

let server: TcpServer;
beforeEach(() => {
  server = new TcpServer({ port: 0 });
});
afterEach(async () => {
  server.destroy();
  await until(() => server.connections.size === 0);
});

async function connected(): Promise<{
  connection: TcpConnection;
  stream: FdDuplex;
  peer: Awaited<ReturnType<typeof client>>;
}> {
  const accepted = next<[TcpConnection]>(server, 'connection');
  const peer = await client(server.port);
  const [connection] = await accepted;
  return { connection, stream: new FdDuplex(connection), peer };
}

test('a stream can be piped into itself', async () => {
  const { stream, peer } = await connected();
  stream.pipe(stream);
  peer.end('echo');
  expect((await receiveAll(peer)).toString()).toBe('echo');
  await finished(stream);
});

test('what nobody reads stays in the kernel', async () => {
  const { connection, stream, peer } = await connected();
  const block = Buffer.alloc(1_000_000);
  for (let count = 0; count < 20; count += 1) peer.write(block);
  await until(() => connection.bytesRead > 0);
  await new Promise((done) => setTimeout(done, 20));
  expect(connection.bytesRead).toBeLessThan(1_000_000);
  stream.resume();
  await until(() => connection.bytesRead === 20_000_000);
});

test('the chunks of a stream may be kept', async () => {
  const { stream, peer } = await connected();
  const kept: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => kept.push(chunk));
  peer.write('first');
  await until(() => kept.length === 1);
  peer.write('SECOND');
  await until(() => kept.length === 2);
  expect(Buffer.concat(kept).toString()).toBe('firstSECOND');
});

test('a corked stream writes in order, and calls back once all is taken', async () => {
  const { stream, peer } = await connected();
  const done = jest.fn();
  stream.cork();
  stream.write('a');
  stream.write(Buffer.from('b'));
  stream.write('c', done);
  stream.uncork();
  expect((await receive(peer, 3)).toString()).toBe('abc');
  await until(() => done.mock.calls.length === 1);
});

test('destroySoon finishes what is written first', async () => {
  const { stream, peer } = await connected();
  stream.write(Buffer.alloc(6_000_000));
  stream.destroySoon();
  expect((await receiveAll(peer)).length).toBe(6_000_000);
  await until(() => stream.destroyed);
});

test('the end of the connection ends the stream, a reset fails it', async () => {
  const first = await connected();
  first.stream.on('error', () => {});
  first.peer.resetAndDestroy();
  await expect(finished(first.stream)).rejects.toMatchObject({ code: 'ECONNRESET' });
  const second = await connected();
  second.stream.resume();
  second.peer.end();
  await next(second.stream, 'end');
  second.stream.end();
  await finished(second.stream);
});

test('destroying the stream closes the connection', async () => {
  const { connection, stream, peer } = await connected();
  stream.on('error', () => {});
  stream.destroy(new Error('enough'));
  expect(connection.closed).toBe(true);
  await receiveAll(peer);
});

test('timeout is told when nothing moved for a while, and only then', async () => {
  const { stream, peer } = await connected();
  stream.resume();
  const timeout = jest.fn();
  stream.setTimeout(100, timeout);
  const start = performance.now();
  const talking = setInterval(() => peer.write('x'), 20);
  setTimeout(() => clearInterval(talking), 150);
  await until(() => timeout.mock.calls.length === 1);
  expect(performance.now() - start).toBeGreaterThan(200);
  stream.setTimeout(0);
  expect(stream.destroyed).toBe(false);
});

test('release gives the connection back, with what was not read', async () => {
  const { connection, stream, peer } = await connected();
  peer.write('unread');
  await until(() => stream.readableLength === 6);
  const released = stream.release();
  expect(released?.connection).toBe(connection);
  expect(released?.rest.toString()).toBe('unread');
  let text = '';
  connection.handOverTo({
    onData: (_connection, chunk) => {
      text += chunk;
    },
  });
  connection.resume();
  peer.write('more');
  await until(() => text === 'more');
  stream.destroy();
  expect(connection.closed).toBe(false);
  expect(stream.release()).toBeNull();
});

test('what is asked of a released stream fails, and harms nobody', async () => {
  const { stream } = await connected();
  stream.release()?.connection.destroy();
  stream.on('error', () => {});
  stream.ref().unref().setNoDelay().setKeepAlive(true);
  expect([stream.remoteAddress, stream.remotePort]).toEqual([undefined, undefined]);
  const error = await new Promise((resolve) => stream.write('x', resolve));
  expect(error).toMatchObject({ code: 'ERR_CONNECTION_CLOSED' });
});
