/** Writing: order, copies, callbacks, the limits of a peer that does not read. */
import { randomBytes } from 'node:crypto';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { client, receive, receiveAll } from '../../support/client';
import { clog, connected, connectedFd, isCutAt } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';

expectNoFdLeaks();

describe('writing', () => {
  test('writes of one dispatch leave together, in order', async () => {
    const { connection, peer } = await connected();
    connection.on('data', () => {
      connection.write('one ');
      connection.write(Buffer.from('two '));
      connection.write('drei ü ');
      connection.write(Buffer.alloc(0));
      connection.write('four');
    });
    peer.write('go');
    expect((await next(peer, 'data')).toString()).toBe('one two drei ü four');
  });

  test('strings of more bytes than characters are put together up to the last byte', async () => {
    const { connection, peer } = await connected();
    const texts = ['a'.repeat(30_000), 'ü'.repeat(20_000), '\u20ac'.repeat(12_000), 'end'];
    connection.on('data', () => {
      for (const text of texts) connection.write(text);
    });
    peer.write('go');
    const all = texts.join('');
    expect((await receive(peer, Buffer.byteLength(all))).toString() === all).toBe(true);
  });

  test('what was gathered before a destroy with an error is not sent', async () => {
    const { server, connection, peer } = await connected();
    const uncaught = jest.spyOn(server.loop, 'uncaught');
    const closed = next(connection, 'close');
    const error = new Error('mine');
    connection.on('data', () => {
      connection.write('gathered');
      connection.destroy(error);
    });
    peer.write('go');
    expect(await closed).toEqual([error]);
    expect((await receiveAll(peer)).length).toBe(0);
    expect([connection.bytesWritten, uncaught.mock.calls]).toEqual([0, []]);
  });

  test('a view of the read buffer can be written although it is overwritten later', async () => {
    const { connection, peer } = await connected();
    clog(connection);
    const already = connection.queuedBytes + connection.bytesWritten;
    connection.on('data', (chunk) => connection.write(chunk));
    peer.pause();
    peer.write('first');
    await until(() => connection.bytesRead === 5);
    peer.write('SECOND');
    await until(() => connection.bytesRead === 11);
    await receive(peer, already);
    expect((await receive(peer, 11)).toString()).toBe('firstSECOND');
  });

  test('every way of writing keeps the order', async () => {
    const { connection, peer } = await connected();
    const large = randomBytes(300_000);
    const expected: Buffer[] = [];
    const write = (data: string | Buffer, how: (data: string | Buffer) => void): void => {
      expected.push(Buffer.from(data));
      how(data);
    };
    const plain = (data: string | Buffer): void => void connection.write(data);
    const called = (data: string | Buffer): void => void connection.write(data, () => {});
    const everything = (): void => {
      write('a', plain);
      write('b', called);
      write(large, plain);
      write('c', plain);
      connection.cork();
      write('d', plain);
      write('e', called);
      connection.cork();
      write('f', plain);
      connection.uncork();
      write('g', plain);
      connection.uncork();
      write('h', plain);
      expected.push(Buffer.from('headbody'));
      connection.writePair(Buffer.from('head'), Buffer.from('body'));
      expected.push(Buffer.from('head'), large);
      connection.writePair(Buffer.from('head'), large);
      write('i', plain);
    };
    connection.once('data', () => {
      everything();
      setImmediate(everything);
    });
    peer.write('go');
    await until(() => expected.length > 20);
    const all = Buffer.concat(expected);
    expect(sha(await receive(peer, all.length))).toBe(sha(all));
  });

  test('a callback is called later and once, with nothing', async () => {
    const { connection, peer } = await connected();
    const calls: unknown[][] = [];
    connection.write('x', (...args) => calls.push(args));
    expect(calls).toEqual([]);
    await until(() => calls.length === 1);
    const queued = clog(connection);
    connection.write('y', (...args) => calls.push(args));
    await new Promise((done) => setImmediate(done));
    expect(calls).toHaveLength(1);
    await receive(peer, queued + 2);
    await until(() => calls.length === 2);
    expect(calls).toEqual([[], []]);
  });

  test('write says when to stop, and drain when to go on', async () => {
    const { connection, peer } = await connected({ highWaterMark: 1000 });
    const written = clog(connection);
    expect(connection.write(Buffer.alloc(1000))).toBe(false);
    expect(connection.queuedBytes).toBeGreaterThan(1000);
    const drained = next(connection, 'drain');
    await Promise.all([drained, receive(peer, written + 1000)]);
    expect(connection.queuedBytes).toBe(0);
    expect(connection.write('more')).toBe(true);
  });

  test('a peer that does not read is cut at the hard limit of the queue', async () => {
    const { connection, peer } = await connected({ maxQueuedBytes: 1_000_000 });
    peer.pause();
    clog(connection);
    const results: (Error | undefined)[] = [];
    const closed = next(connection, 'close');
    while (connection.writable)
      connection.write(Buffer.alloc(300_000), (error) => results.push(error));
    expect(connection.queuedBytes).toBeGreaterThan(1_000_000);
    expect(await closed).toEqual([expect.objectContaining({ code: 'ENOBUFS' })]);
    expect(results.length).toBeGreaterThan(2);
    expect(results.every((error) => error instanceof Error)).toBe(true);
  });

  test('a peer that does not read is cut at the write deadline, and a reading one is not', async () => {
    const { server, connection, peer } = await connected({ writeTimeoutMs: 100 });
    const accepted = next<[TcpConnection]>(server, 'connection');
    const reader = await client(server.port);
    const [good] = await accepted;
    peer.pause();
    clog(connection);
    const closed = next(connection, 'close');
    const error = jest.fn();
    connection.on('error', error);
    const sent = clog(good);
    await receive(reader, sent);
    expect(await closed).toEqual([
      expect.objectContaining({ code: 'ETIMEDOUT', message: expect.stringContaining('100 ms') }),
    ]);
    expect(error).toHaveBeenCalledTimes(1);
    expect(good.closed).toBe(false);
  });

  test('the deadline is that of each write, not of the first', async () => {
    const { connection, peer } = await connected({ writeTimeoutMs: 100_000 });
    const written = clog(connection);
    const first = connection.waitingSince;
    await receive(peer, written);
    await until(() => performance.now() > first + 1);
    clog(connection);
    expect(connection.waitingSince).toBeGreaterThan(first + 1);
    expect(isCutAt(connection, connection.waitingSince + 99_999)).toBe(false);
    // The first look at what the kernel holds finds it moving; nor is it cut while there is room.
    await until(() => isCutAt(connection, connection.waitingSince + 200_000));
  });

  test('what the kernel takes of a write is activity, also if it is not all', async () => {
    const { connection } = await connectedFd();
    const forget = (): void => {
      const clock = jest.spyOn(performance, 'now').mockReturnValue(0);
      connection.setIdleTimeout(0);
      clock.mockRestore();
    };
    forget();
    connection.write(Buffer.alloc(12 * 1024 * 1024));
    expect(connection.queuedBytes).toBeGreaterThan(0);
    expect(connection.lastActivity).toBeGreaterThan(0);
    forget();
    connection.write('all of this waits');
    expect(connection.lastActivity).toBe(0);
  });

  test('what is no data is refused', async () => {
    const { connection } = await connected();
    for (const data of [1, null, undefined, {}, new ArrayBuffer(1), ['a']]) {
      expect(() => connection.write(data as unknown as string)).toThrow(/"data"/);
    }
  });
});
