import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { Transform } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { connect } from '../../../src/net/client/connect';
import type { TcpConnection } from '../../../src/net/connection/connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import type { FdDuplexOptions } from '../../../src/net/duplex/options';
import { TcpServer, type TcpServerOptions } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { getSocketOption } from '../../../src/net/socket/options';
import { block } from '../../support/block';
import { client, receive, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { memoryFile } from '../../support/files';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';

expectNoFdLeaks();

let server: TcpServer;
beforeEach(() => {
  server = new TcpServer({ port: 0 });
});
afterEach(async () => {
  server.destroy();
  await until(() => server.connections.size === 0);
});

/** Listen with other options than the default ones. */
function serve(options: Partial<TcpServerOptions>): void {
  server.destroy();
  server = new TcpServer({ port: 0, ...options });
}

async function connected(
  options: FdDuplexOptions = {},
  peerOptions: { allowHalfOpen?: boolean } = {},
): Promise<{
  connection: TcpConnection;
  stream: FdDuplex;
  peer: Awaited<ReturnType<typeof client>>;
}> {
  const made = new Promise<{ connection: TcpConnection; stream: FdDuplex }>((resolve) => {
    server.once('connection', (connection) => {
      resolve({ connection, stream: new FdDuplex(connection, options) });
    });
  });
  const peer = await client(server.port, peerOptions);
  return { ...(await made), peer };
}

/** The names of the events of the end, as they come. */
function endings(stream: FdDuplex): string[] {
  const heard: string[] = [];
  for (const name of ['end', 'finish', 'error', 'close']) {
    stream.on(name, () => heard.push(name));
  }
  return heard;
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
  const { connection, stream, peer } = await connected();
  stream.resume();
  const silences: number[] = [];
  stream.setTimeout(100, () => silences.push(performance.now() - connection.lastActivity));
  const talking = setInterval(() => {
    if (stream.bytesRead < 10) peer.write('x');
  }, 20);
  await until(() => silences.length === 1);
  clearInterval(talking);
  expect(stream.bytesRead).toBeGreaterThan(0);
  expect(silences[0]).toBeGreaterThanOrEqual(100);
  stream.setTimeout(0);
  expect(stream.destroyed).toBe(false);
});

test('bytes that this thread was too late to read end a silence', async () => {
  const { connection, stream, peer } = await connected();
  const log: string[] = [];
  stream.on('data', () => log.push('data'));
  await until(() => connection.flowing);
  stream.setTimeout(60, () => log.push('timeout'));
  peer.write('x');
  block(150);
  // The timer comes first.
  stream.onTimer();
  expect(log).toEqual([]);
  await until(() => log.includes('timeout'));
  expect(log).toEqual(['data', 'timeout']);
});

test('a silence begins when the last byte was served, in however long a turn', async () => {
  const { stream, peer } = await connected();
  let servedAt = Infinity;
  let silentMs = -1;
  stream.on('data', () => {
    block(150);
    servedAt = performance.now();
  });
  // More than once, where the byte is late.
  stream.setTimeout(60).on('timeout', () => {
    silentMs = performance.now() - servedAt;
  });
  peer.write('x');
  await until(() => servedAt < Infinity && silentMs >= 0);
  expect(silentMs).toBeGreaterThanOrEqual(59);
});

test('a long download is no silence: what is sent of a file counts', async () => {
  const { connection, stream, peer } = await connected();
  const timeout = jest.fn();
  const file = memoryFile('', 200 * 1024 * 1024);
  stream.sendFile(file, { offset: 0, length: 200 * 1024 * 1024 }, () => {});
  for (let round = 0; round < 10; round += 1) {
    const before = connection.lastActivity;
    block(20);
    await receive(peer, 8_000_000);
    await until(() => connection.lastActivity > before);
  }
  // Nobody reads any more: that is one.
  stream.setTimeout(100, timeout);
  await until(() => timeout.mock.calls.length === 1);
  expect(connection.queuedFileBytes).toBeGreaterThan(0);
  stream.destroy();
});

test('release gives the connection back, with what was not read', async () => {
  const { connection, stream, peer } = await connected();
  peer.write('unread');
  await until(() => stream.readableLength === 6);
  const released = stream.release();
  expect(released?.connection).toBe(connection);
  expect(released?.rest.toString()).toBe('unread');
  let text = '';
  connection.setHandler({
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

test('release gives all that was not read, also of a stream that is to flow', async () => {
  const { stream, peer } = await connected();
  peer.write('one');
  await until(() => stream.readableLength === 3);
  stream.read(0);
  peer.write('two');
  await until(() => stream.readableLength === 6);
  stream.resume();
  const released = stream.release();
  expect(released?.rest.toString()).toBe('onetwo');
  released?.connection.destroy();
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

describe('back-pressure', () => {
  test('an echo of 50 MB waits for a slow consumer with little in memory, and loses no byte', async () => {
    const { connection, stream, peer } = await connected();
    let most = 0;
    const look = (): void => {
      const waiting = stream.readableLength + stream.writableLength + connection.queuedBytes;
      most = Math.max(most, waiting);
    };
    stream.pipe(stream);
    const sent = randomBytes(50_000_000);
    peer.end(sent);
    // The peer reads nothing: all buffers fill up, ours first.
    await until(() => connection.queuedBytes > 0);
    expect(connection.bytesRead).toBeLessThan(sent.length);
    let received = 0;
    const hash = createHash('sha256');
    for await (const chunk of peer as AsyncIterable<Buffer>) {
      hash.update(chunk);
      received += chunk.length;
      look();
      await new Promise(setImmediate);
      look();
    }
    expect(received).toBe(sent.length);
    expect(hash.digest('hex')).toBe(sha(sent));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(1_000_000);
  }, 120_000);

  test('a slow producer: each byte arrives, in order', async () => {
    const { stream, peer } = await connected();
    const sent = randomBytes(500);
    const sending = (async () => {
      for (const byte of sent) {
        peer.write(Uint8Array.of(byte));
        await new Promise(setImmediate);
      }
      peer.end();
    })();
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    await sending;
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  });

  test.each(['one chunk', 'many chunks'])('%s of more than the connection queues', async (kind) => {
    const maxQueuedBytes = 100_000;
    serve({ maxQueuedBytes, highWaterMark: 1_000 });
    const { connection, stream, peer } = await connected();
    const sent = randomBytes(20_000_000);
    const written = jest.fn();
    if (kind === 'one chunk') {
      stream.end(sent, written);
    } else {
      stream.cork();
      for (let at = 0; at < sent.length; at += 30_001) stream.write(sent.subarray(at, at + 30_001));
      stream.write('');
      stream.end(written);
    }
    await until(() => connection.queuedBytes > 0);
    expect(connection.queuedBytes).toBeLessThanOrEqual(maxQueuedBytes);
    expect(written).not.toHaveBeenCalled();
    stream.resume();
    peer.end();
    expect(sha(await receiveAll(peer))).toBe(sha(sent));
    await until(() => stream.closed);
    expect(written).toHaveBeenCalledTimes(1);
    expect(written.mock.calls[0]?.[0] ?? null).toBeNull();
    expect(stream.bytesWritten).toBe(sent.length);
  });

  test('the high-water marks are the user’s', async () => {
    const { stream } = await connected({ readableHighWaterMark: 5, writableHighWaterMark: 7 });
    expect([stream.readableHighWaterMark, stream.writableHighWaterMark]).toEqual([5, 7]);
    const other = await connected({ highWaterMark: 9 });
    expect([other.stream.readableHighWaterMark, other.stream.writableHighWaterMark]).toEqual([
      9, 9,
    ]);
  });

  test('pipeline through a transform, and back to where it came from', async () => {
    const { stream, peer } = await connected();
    const upper = new Transform({
      transform: (chunk, _encoding, done) => done(null, String(chunk).toUpperCase()),
    });
    const all = receiveAll(peer);
    peer.end('quiet');
    await pipeline(stream, upper, stream);
    expect((await all).toString()).toBe('QUIET');
  });
});

describe('the end', () => {
  test('allowHalfOpen: false: the peer ends, and so do we; all is told in order', async () => {
    const { stream, peer } = await connected({ allowHalfOpen: false });
    const heard = endings(stream);
    stream.resume();
    const rest = receiveAll(peer);
    peer.end();
    await finished(stream);
    await until(() => stream.closed);
    expect(heard).toEqual(['end', 'finish', 'close']);
    expect(await rest).toHaveLength(0);
  });

  test('the peer ends, and we may write on', async () => {
    const { stream, peer } = await connected();
    const heard = endings(stream);
    stream.resume();
    const rest = receiveAll(peer);
    peer.end();
    await next(stream, 'end');
    expect(stream.readyState).toBe('writeOnly');
    await new Promise((done) => stream.write('still here', done));
    stream.end();
    expect((await rest).toString()).toBe('still here');
    await until(() => stream.closed);
    expect(heard).toEqual(['end', 'finish', 'close']);
  });

  test('us first: the peer learns of it and may send on', async () => {
    const { stream, peer } = await connected({}, { allowHalfOpen: true });
    const heard = endings(stream);
    peer.resume();
    stream.end('bye');
    await next(peer, 'end');
    expect(stream.readyState).toBe('readOnly');
    peer.end('one more thing');
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('one more thing');
    await until(() => stream.closed);
    expect(heard).toEqual(['finish', 'end', 'close']);
    expect(stream.readyState).toBe('closed');
  });

  test('what has come is not lost when both sides have ended before it is read', async () => {
    const { connection, stream, peer } = await connected({}, { allowHalfOpen: true });
    peer.resume();
    stream.end();
    await next(peer, 'end');
    peer.end('x'.repeat(1_000));
    await until(() => connection.closed);
    expect([stream.closed, stream.pending]).toEqual([false, true]);
    let length = 0;
    for await (const chunk of stream) length += (chunk as Buffer).length;
    expect(length).toBe(1_000);
    await until(() => stream.closed);
    expect(stream.errored).toBeNull();
  });

  test('the server cuts it', async () => {
    const { stream } = await connected();
    stream.on('error', () => {});
    const ended = finished(stream);
    server.destroy();
    await expect(ended).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
  });

  test('is told without a reader if nothing waits to be read, and then closes what we have ended', async () => {
    const { stream, peer } = await connected();
    const heard = endings(stream);
    stream.end();
    peer.end();
    await until(() => stream.closed);
    expect(heard.sort()).toEqual(['close', 'end', 'finish']);
  });

  test('bytes that nobody has read come before it', async () => {
    const { stream, peer } = await connected();
    const heard = endings(stream);
    peer.end('unread');
    await until(() => stream.readableLength === 6);
    await new Promise((done) => setTimeout(done, 20));
    expect(heard).toEqual([]);
    let text = '';
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) text += chunk;
    expect([text, heard]).toEqual(['unread', ['end']]);
    stream.destroy();
  });

  test('halves that were closed before the stream was made are closed in it', async () => {
    const make = async (): Promise<{ connection: TcpConnection; peer: Socket }> => {
      const accepted = next<[TcpConnection]>(server, 'connection');
      const peer = await client(server.port, { allowHalfOpen: true });
      const [connection] = await accepted;
      connection.allowHalfOpen = true;
      return { connection, peer };
    };
    const first = await make();
    const ended = next(first.connection, 'end');
    first.peer.resume().end();
    await ended;
    const reading = new FdDuplex(first.connection);
    await next(reading, 'end');
    reading.end();
    await until(() => reading.closed);
    const second = await make();
    second.connection.end();
    const writing = new FdDuplex(second.connection);
    const heard = endings(writing);
    second.peer.resume().end();
    await until(() => writing.closed);
    expect(heard.sort()).toEqual(['close', 'end', 'finish']);
  });

  test('a connection that is closed already gives a stream that is', async () => {
    const { connection, stream } = await connected();
    stream.destroy();
    const late = new FdDuplex(connection);
    await next(late, 'close');
    expect(late.destroyed).toBe(true);
  });
});

describe('errors', () => {
  test('a reset in the middle of a write: the write, one error, close', async () => {
    const { connection, stream, peer } = await connected();
    const heard = endings(stream);
    const written = jest.fn();
    stream.write(Buffer.alloc(20_000_000), written);
    await until(() => connection.queuedBytes > 0);
    peer.resetAndDestroy();
    await until(() => stream.closed && written.mock.calls.length > 0);
    expect(heard).toEqual(['error', 'close']);
    expect(written).toHaveBeenCalledTimes(1);
    expect(['ECONNRESET', 'EPIPE']).toContain((stream.errored as NodeJS.ErrnoException).code);
    expect(connection.closed).toBe(true);
  });

  test('destroy in the middle of a write: the write fails, the peer sees the end, no error', async () => {
    const { connection, stream, peer } = await connected();
    const heard = endings(stream);
    const written = [jest.fn(), jest.fn()];
    for (const callback of written) stream.write(Buffer.alloc(20_000_000), callback);
    await until(() => connection.queuedBytes > 0);
    stream.destroy();
    expect(connection.closed).toBe(true);
    expect((await receiveAll(peer)).length).toBeLessThan(20_000_000);
    await until(() => stream.closed && written.every(({ mock }) => mock.calls.length > 0));
    for (const { mock } of written) expect(mock.calls).toEqual([[expect.any(Error)]]);
    expect(heard).toEqual(['close']);
  });

  test('an abort', async () => {
    const controller = new AbortController();
    const { connection, stream } = await connected({ signal: controller.signal });
    const told = next<[Error]>(stream, 'error');
    controller.abort();
    expect((await told)[0].name).toBe('AbortError');
    expect(connection.closed).toBe(true);
    const late = await connected();
    const aborted = new FdDuplex(late.connection, { signal: AbortSignal.abort() });
    expect((await next<[Error]>(aborted, 'error'))[0].name).toBe('AbortError');
    expect(late.connection.closed).toBe(true);
  });

  test('resetAndDestroy resets', async () => {
    const { stream, peer } = await connected();
    const told = next<[NodeJS.ErrnoException]>(peer, 'error');
    stream.resetAndDestroy();
    expect((await told)[0].code).toBe('ECONNRESET');
  });

  test('wrong options are named', async () => {
    const { connection } = await connected();
    const make = (options: object) => () => new FdDuplex(connection, options);
    expect(make({ allowHalfOpen: 1 })).toThrow(/option "allowHalfOpen" of FdDuplex/);
    expect(make({ highWaterMark: -1 })).toThrow(/option "highWaterMark" of FdDuplex/);
    expect(make({ ownsFd: false })).toThrow(/ownsFd/);
    expect(() => new FdDuplex('x' as never)).toThrow(
      /"source" argument must be a connection, an fd/,
    );
    expect(() => new FdDuplex({})).toThrow(/expected readFd, writeFd, or both/);
    expect(() => new FdDuplex({ readFd: -1 })).toThrow(/option "readFd" of FdDuplex/);
    expect(connection.closed).toBe(false);
  });
});

describe('as a net.Socket', () => {
  test('close tells whether there was an error', async () => {
    const failed = await connected();
    failed.stream.on('error', () => {});
    const told = next(failed.stream, 'close');
    failed.peer.resetAndDestroy();
    expect(await told).toEqual([true]);
    const { stream } = await connected();
    expect(await next(stream.destroy(), 'close')).toEqual([false]);
  });

  test('addresses and counts, on both sides', async () => {
    const accepted = connected();
    const { stream, peer } = await accepted;
    const { port } = server;
    expect(stream).toMatchObject({
      remoteAddress: '127.0.0.1',
      remotePort: peer.localPort,
      remoteFamily: 'IPv4',
      localAddress: '127.0.0.1',
      localPort: port,
      localFamily: 'IPv4',
      connecting: false,
      pending: false,
      readyState: 'open',
    });
    expect(stream.address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port });
    stream.write('four');
    expect((await receive(peer, 4)).toString()).toBe('four');
    peer.write('seven77');
    await until(() => stream.bytesRead === 7);
    expect(stream.bytesWritten).toBe(4);
    stream.destroy();
    expect(stream).toMatchObject({ pending: true, readyState: 'closed', localPort: undefined });
    expect(stream.address()).toEqual({});
  });

  test('the options of TCP', async () => {
    const { connection, stream } = await connected();
    expect(stream.setNoDelay(false)).toBe(stream);
    expect(getSocketOption(connection.fd, 'noDelay')).toBe(false);
    stream.setNoDelay();
    expect(getSocketOption(connection.fd, 'noDelay')).toBe(true);
    stream.setKeepAlive(true, 7_900);
    expect(getSocketOption(connection.fd, 'keepAlive')).toBe(true);
    expect(getSocketOption(connection.fd, 'keepAliveIdleSeconds')).toBe(7);
    stream.setKeepAlive(true, 1e9);
    expect(getSocketOption(connection.fd, 'keepAliveIdleSeconds')).toBe(32_767);
    stream.setKeepAlive();
    expect(getSocketOption(connection.fd, 'keepAlive')).toBe(false);
  });

  test('on a unix socket they do nothing', async () => {
    const unix = new UnixServer({ path: `\0epoll-ffi-duplex-${process.pid}` });
    unix.on('connection', (connection) => {
      const stream = new FdDuplex(connection);
      stream.setNoDelay().setKeepAlive(true, 1_000).ref().unref().pipe(stream);
    });
    const stream = new FdDuplex(await connect({ path: unix.path }));
    expect([stream.remoteAddress, stream.remoteFamily, stream.localPort]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    stream.end('over unix');
    let text = '';
    for await (const chunk of stream) text += chunk;
    expect(text).toBe('over unix');
    new FdDuplex(await connect({ path: unix.path })).resetAndDestroy();
    unix.close();
    await next(unix, 'close');
  });

  test('timeout is told once for each silence', async () => {
    const { stream, peer } = await connected();
    stream.resume();
    const timeout = jest.fn();
    stream.on('timeout', timeout);
    stream.setTimeout(40);
    expect(stream.timeout).toBe(40);
    await until(() => timeout.mock.calls.length === 1);
    // Four times as long without a byte: it was told, and that is all.
    await new Promise((done) => setTimeout(done, 160));
    expect(timeout).toHaveBeenCalledTimes(1);
    peer.write('x');
    await until(() => timeout.mock.calls.length === 2);
    expect(stream.destroyed).toBe(false);
    const never = jest.fn();
    stream.setTimeout(1_000_000, never);
    stream.setTimeout(0, never);
    expect(stream.listenerCount('timeout')).toBe(1);
    for (const wrong of [-1, NaN, Infinity]) {
      expect(() => stream.setTimeout(wrong)).toThrow(RangeError);
    }
    expect(() => stream.setTimeout('1' as never)).toThrow(TypeError);
  });
});
