/** A connection as a stream: chunks, back-pressure, silence, release. */

import { createHash, randomBytes } from 'node:crypto';
import { Transform } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { block } from '../../support/block';
import { receive, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { memoryFile } from '../../support/files';
import { marker } from '../../support/marker';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';
import { connected, serve } from './rig';

expectNoFdLeaks();

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
  await marker();
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
  for (let round = 0; round < 5; round += 1) {
    const before = connection.lastActivity;
    block(20);
    while (connection.lastActivity <= before) await receive(peer, 1_000_000);
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
