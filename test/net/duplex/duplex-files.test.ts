/** Ranges of files among the writes of a stream on a connection. */
import { closeSync, openSync } from 'node:fs';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { unwrap } from '../../../src/sys/errno';
import { dup3 } from '../../../src/sys/fds';
import { client, receive, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { memoryFile } from '../../support/files';
import { until } from '../../support/until';

expectNoFdLeaks();

const MIB = 1024 * 1024;

let server: TcpServer;
let streams: FdDuplex[];
let errors: (Error & { code?: string })[];
beforeEach(() => {
  streams = [];
  errors = [];
  server = new TcpServer({ port: 0 });
  server.on('connection', (connection: TcpConnection) => {
    const stream = new FdDuplex(connection);
    stream.on('error', (error) => errors.push(error));
    streams.push(stream);
  });
});
afterEach(async () => {
  server.destroy();
  await until(() => server.connections.size === 0);
});

async function pair(): Promise<[FdDuplex, Awaited<ReturnType<typeof client>>]> {
  const peer = await client(server.port);
  await until(() => streams.length === 1);
  return [streams[0] as FdDuplex, peer];
}

test('ranges and writes come in the order they were made in, corked or not', async () => {
  const [stream, peer] = await pair();
  const fd = memoryFile('0123456789');
  const done: string[] = [];
  const note = (name: string) => (error?: Error | null) => done.push(error ? 'failed' : name);
  stream.write('a', note('a'));
  stream.sendFile(fd, { offset: 2, length: 3 }, note('234'));
  stream.write('b', note('b'));
  stream.cork();
  stream.write('');
  stream.sendFile(fd, { offset: 9, length: 1 }, note('9'));
  stream.sendFile(fd, { offset: 0, length: 0 }, note('nothing'));
  stream.write('c', note('c'));
  stream.uncork();
  stream.sendFile(fd, { offset: 0, length: 1 }, note('0'));
  stream.end('d');
  expect(String(await receiveAll(peer))).toBe('a234b9c0d');
  expect(done).toEqual(['a', '234', 'b', '9', 'nothing', 'c', '0']);
});

test('the end waits for a range that the peer is slow to read', async () => {
  const [stream, peer] = await pair();
  const fd = memoryFile('end', 50 * MIB);
  peer.pause();
  let isSent = false;
  stream.sendFile(fd, { offset: 0, length: 50 * MIB + 3 }, () => {
    isSent = true;
  });
  stream.end('!');
  await until(() => [...server.connections].some(({ queuedFileBytes }) => queuedFileBytes > 0));
  expect([isSent, stream.writableFinished]).toEqual([false, false]);
  const bytes = await receiveAll(peer);
  expect([isSent, bytes.length, String(bytes.subarray(-4))]).toEqual([true, 50 * MIB + 4, 'end!']);
});

test('a stream that is destroyed calls back each range, once, with an error', async () => {
  const [stream, peer] = await pair();
  const fd = memoryFile('', 50 * MIB);
  peer.pause();
  const called = [0, 0, 0];
  for (const index of called.keys()) {
    stream.sendFile(fd, { offset: 0, length: 50 * MIB }, (error) => {
      if (error) called[index] = (called[index] as number) + 1;
    });
  }
  stream.destroy();
  await until(() => called.every((count) => count === 1));
  stream.sendFile(fd, { offset: 0, length: 1 }, (error) => errors.push(error as Error));
  await until(() => errors.length > 0);
  expect(called).toEqual([1, 1, 1]);
  expect(errors[0]?.code).toBe('ERR_STREAM_DESTROYED');
});

test.each(['another file', 'a device'])(
  'a range whose fd is %s by the time it comes ends the connection',
  async (replacement) => {
    const [stream, peer] = await pair();
    const large = memoryFile('', 50 * MIB);
    const later = memoryFile('later');
    let failure: (Error & { code?: string }) | null | undefined;
    stream.sendFile(large, { offset: 0, length: 50 * MIB });
    stream.sendFile(later, { offset: 0, length: 5 }, (error) => {
      failure = error;
    });
    stream.write('never');
    await receive(peer, 1);
    const device = openSync('/dev/null', 'r');
    unwrap(dup3(replacement === 'a device' ? device : memoryFile('never'), later, 0), 'dup3');
    closeSync(device);
    const rest = await receiveAll(peer);
    expect(rest.includes('never')).toBe(false);
    expect(failure?.code).toBe('EBADF');
    expect(errors.map(({ code }) => code)).toEqual(['EBADF']);
  },
);

test('what cannot be a range is refused at once', async () => {
  const [stream] = await pair();
  const fd = memoryFile('', 50 * MIB);
  const ignore = (): void => {};
  expect(() => stream.sendFile(fd, { offset: -1, length: 1 }, ignore)).toThrow(RangeError);
  expect(() => stream.sendFile(fd, { offset: 0, length: Number.NaN }, ignore)).toThrow(RangeError);
  expect(() => stream.sendFile(2 ** 30, { offset: 0, length: 1 }, ignore)).toThrow(/EBADF/);
});
