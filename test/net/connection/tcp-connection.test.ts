import { randomBytes } from 'node:crypto';
import { EventLoop } from '../../../src/loop/event-loop';
import type { ConnectionHandler, TcpConnection } from '../../../src/net/connection/connection';
import * as sys from '../../../src/sys';
import { client, receive, receiveAll } from '../../support/client';
import { clog, connected, connectedFd, serve } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow } from '../../support/fds';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';

expectNoFdLeaks();

describe.each(['level', 'edge'] as const)('%s-triggered', (trigger) => {
  test.each([1, 64, 1_460, 65_535, 65_536, 65_537, 3_000_000])(
    '%d bytes are echoed as they were',
    async (size) => {
      const { connection, peer } = await connected({ trigger });
      connection.on('data', (chunk) => connection.write(chunk));
      const sent = randomBytes(size);
      peer.write(sent);
      expect(sha(await receive(peer, size))).toBe(sha(sent));
      expect([connection.bytesRead, connection.bytesWritten]).toEqual([size, size]);
    },
  );

  test('bytes before the FIN are delivered before end, and close comes last', async () => {
    const { connection, peer } = await connected({ trigger });
    const log: string[] = [];
    connection.on('data', (chunk) => log.push(chunk.toString()));
    connection.on('end', () => log.push('end'));
    connection.on('close', (error) => log.push(`close ${error}`));
    peer.end('last words');
    await next(connection, 'close');
    expect(log).toEqual(['last words', 'end', 'close undefined']);
  });

  test('a paused connection delivers nothing, and everything once it is resumed', async () => {
    const { connection, peer, server } = await connected({ trigger });
    const received: Buffer[] = [];
    connection.on('data', (chunk) => received.push(Buffer.from(chunk)));
    connection.pause();
    const sent = randomBytes(200_000);
    peer.end(sent);
    // Another connection is served meanwhile.
    const served = next(server, 'connection');
    await client(server.port);
    await served;
    expect(received).toEqual([]);
    connection.resume();
    await next(connection, 'close');
    expect(sha(Buffer.concat(received))).toBe(sha(sent));
  });

  test('a listener may pause and resume at any chunk', async () => {
    const { connection, peer } = await connected({ trigger });
    const received: Buffer[] = [];
    connection.on('data', (chunk) => {
      received.push(Buffer.from(chunk));
      connection.pause();
      setImmediate(() => connection.resume());
    });
    const sent = randomBytes(2_000_000);
    peer.end(sent);
    await next(connection, 'close');
    expect(sha(Buffer.concat(received))).toBe(sha(sent));
  });

  test('urgent data in the stream holds nothing back', async () => {
    const server = serve({ trigger });
    const accepted = next<[TcpConnection]>(server, 'connection');
    const c = sys.constants;
    const fd = closeLater(sys.socket(c.AF_INET, c.SOCK_STREAM, 0));
    expect(sys.connect(fd, sys.encodeAddress(server.address))).toBe(0);
    const [connection] = await accepted;
    let text = '';
    connection.on('data', (chunk) => {
      text += chunk;
    });
    sys.send(fd, Buffer.from('before'), 6, 0);
    sys.send(fd, Buffer.from('!'), 1, c.MSG_OOB);
    sys.send(fd, Buffer.from('after'), 5, 0);
    await until(() => text === 'beforeafter');
  });

  test('a connection that floods does not keep the others waiting', async () => {
    const { server, connection, peer } = await connected({ trigger, readQuantumBytes: 65_536 });
    let flooded = 0;
    connection.on('data', (chunk) => {
      flooded += chunk.length;
    });
    const block = Buffer.alloc(1024 * 1024);
    const flood = (): void => {
      while (peer.writable && peer.write(block));
    };
    peer.on('drain', flood);
    flood();
    server.on('connection', (calm) => calm.on('data', (chunk) => calm.write(chunk)));
    const calm = await client(server.port);
    for (let round = 0; round < 20; round += 1) {
      calm.write('ping');
      expect((await receive(calm, 4)).toString()).toBe('ping');
    }
    expect(flooded).toBeGreaterThan(65_536);
  });
});

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
    const start = performance.now();
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
    expect(performance.now() - start).toBeGreaterThanOrEqual(99);
    expect(good.closed).toBe(false);
  });

  test('the deadline is that of each write, not of the first', async () => {
    const { connection, peer } = await connected({ writeTimeoutMs: 100_000 });
    const isCutAt = (time: number): boolean => {
      const clock = jest.spyOn(performance, 'now').mockReturnValue(time);
      connection.onTimer();
      clock.mockRestore();
      return connection.closed;
    };
    const written = clog(connection);
    const first = connection.waitingSince;
    await receive(peer, written);
    await until(() => performance.now() > first + 1);
    clog(connection);
    expect(connection.waitingSince).toBeGreaterThan(first + 1);
    expect(isCutAt(connection.waitingSince + 99_999)).toBe(false);
    // The first look at what the kernel holds finds it moving; nor is it cut while there is room.
    await until(() => isCutAt(connection.waitingSince + 200_000));
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

describe('ending', () => {
  test('end sends what is queued, then the FIN; the peer may still send', async () => {
    const { connection, peer } = await connected({ allowHalfOpen: true });
    peer.allowHalfOpen = true;
    let text = '';
    connection.on('data', (chunk) => {
      text += chunk;
    });
    const written = clog(connection);
    connection.end('bye');
    expect(connection.writable).toBe(false);
    const all = await receive(peer, written + 3);
    expect(all.subarray(-3).toString()).toBe('bye');
    peer.end('still here');
    await next(connection, 'close');
    expect(text).toBe('still here');
  });

  test('our half is ended with the peer’s, after what is queued', async () => {
    const { connection, peer } = await connected();
    peer.pause();
    // More than any socket buffer grows to.
    const written = clog(connection) + 12_000_000;
    connection.write(Buffer.alloc(12_000_000));
    peer.end();
    await next(connection, 'end');
    expect(connection.closed).toBe(false);
    expect((await receiveAll(peer)).length).toBe(written);
    await until(() => connection.closed);
  });

  test('half-open, our half goes on after the peer’s FIN', async () => {
    const { connection, peer } = await connected({ allowHalfOpen: true });
    peer.end('question');
    await next(connection, 'end');
    expect(connection.writable).toBe(true);
    connection.end('answer');
    expect((await receiveAll(peer)).toString()).toBe('answer');
    await until(() => connection.closed);
  });

  test('destroy closes at once and tells close once; callbacks get an error', async () => {
    const { connection } = await connected();
    clog(connection);
    const results: unknown[] = [];
    connection.write('never sent', (error) => results.push(error));
    const closes = jest.fn();
    connection.on('close', closes);
    const { fd } = connection;
    connection.destroy();
    connection.destroy();
    expect(closes.mock.calls).toEqual([[undefined]]);
    expect(results).toEqual([expect.objectContaining({ code: 'ERR_CONNECTION_CLOSED' })]);
    expect([connection.fd, connection.closed, connection.queuedBytes]).toEqual([-1, true, 0]);
    expect(sys.fcntl(fd, sys.constants.F_GETFD)).toBe(-sys.errno.EBADF);
  });

  test('what is written just before destroy is sent', async () => {
    const { connection, peer } = await connected();
    connection.on('data', () => {
      connection.write('good');
      connection.write('bye');
      connection.destroy();
    });
    const all = receiveAll(peer);
    peer.write('go');
    expect((await all).toString()).toBe('goodbye');
  });

  test('a closed connection takes nothing, and harms nobody', async () => {
    const { connection } = await connected();
    connection.destroy();
    const result = new Promise((resolve) => connection.write('x', resolve));
    expect(connection.write('x')).toBe(false);
    expect(await result).toMatchObject({ code: 'ERR_CONNECTION_CLOSED' });
    connection.end('x');
    connection.cork();
    connection.uncork();
    connection.pause();
    connection.resume();
    connection.ref();
    connection.unref();
    connection.setNoDelay();
    connection.setIdleTimeout(5);
    expect([connection.remoteAddress, connection.localAddress]).toEqual([undefined, undefined]);
  });

  test('a reset by the peer is an error, after the data that came before it', async () => {
    const { connection, peer } = await connected();
    const log: unknown[] = [];
    connection.on('data', (chunk) => log.push(chunk.toString()));
    connection.on('error', (error) => log.push((error as Error & { code: string }).code));
    peer.write('data');
    await until(() => log.length === 1);
    peer.resetAndDestroy();
    const [error] = await next(connection, 'close');
    expect(log).toEqual(['data', 'ECONNRESET']);
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  test.each(['level', 'edge'] as const)(
    'a reset that the answer to the last bytes runs into is told as such, and as no end: %s',
    async (trigger) => {
      const server = serve({ trigger });
      const c = sys.constants;
      const fd = closeLater(sys.socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0));
      expect(sys.connect(fd, sys.encodeAddress(server.address))).toBe(0);
      const [connection] = await next<[TcpConnection]>(server, 'connection');
      const log: unknown[] = [];
      connection.on('data', (chunk) => {
        log.push(chunk.toString());
        connection.write('answer');
      });
      connection.on('end', () => log.push('end'));
      connection.on('close', (error) => log.push((error as { code?: string } | undefined)?.code));
      // Bytes and reset are there before the loop looks.
      sys.send(fd, Buffer.from('bytes'), 5, 0);
      sys.setsockopt(fd, c.SOL_SOCKET, c.SO_LINGER, Int32Array.of(1, 0));
      closeNow(fd);
      await until(() => connection.closed);
      expect(log).toEqual(['bytes', expect.stringMatching(/^(ECONNRESET|EPIPE)$/)]);
    },
  );

  test('writing to a peer that reset is an error, not an exception, and not SIGPIPE', async () => {
    const { connection, peer } = await connected();
    connection.pause();
    peer.resetAndDestroy();
    const closed = next(connection, 'close');
    const writing = setInterval(() => connection.write('x'), 1);
    const [error] = await closed;
    clearInterval(writing);
    expect(['ECONNRESET', 'EPIPE']).toContain((error as unknown as { code: string }).code);
  });

  test('an idle connection is cut, and a busy one is not', async () => {
    const { server, connection } = await connected({ idleTimeoutMs: 1_000 });
    server.on('connection', (busy) => busy.on('data', (chunk) => busy.write(chunk)));
    const busy = await client(server.port);
    const talking = setInterval(() => busy.write('x'), 20);
    const start = performance.now();
    expect(await next(connection, 'close')).toEqual([
      expect.objectContaining({ code: 'ETIMEDOUT', message: expect.stringContaining('1000 ms') }),
    ]);
    expect(performance.now() - start).toBeGreaterThanOrEqual(900);
    await new Promise((done) => setTimeout(done, 1_200));
    clearInterval(talking);
    expect(server.connections.size).toBe(1);
  });

  test('deadlines can be set on a single connection', async () => {
    const { connection } = await connected();
    connection.setIdleTimeout(50);
    expect(await next(connection, 'close')).toEqual([
      expect.objectContaining({ code: 'ETIMEDOUT' }),
    ]);
    const other = await connected();
    other.peer.pause();
    clog(other.connection);
    other.connection.setWriteTimeout(50);
    expect(await next(other.connection, 'close')).toEqual([
      expect.objectContaining({ code: 'ETIMEDOUT' }),
    ]);
  });
});

describe('listeners and handlers', () => {
  test('addresses of both sides', async () => {
    const { connection, peer, server } = await connected();
    expect([connection.remoteAddress, connection.remotePort]).toEqual([
      '127.0.0.1',
      peer.localPort,
    ]);
    expect(connection.address()).toEqual(server.address);
  });

  test('one handler serves all connections, without events', async () => {
    const log: string[] = [];
    const handler: ConnectionHandler = {
      onData(connection, chunk) {
        connection.attachment = `${connection.attachment ?? ''}${chunk}`;
        connection.write(String(connection.attachment));
      },
      onEnd: (connection) => log.push(`end ${connection.attachment}`),
      onClose: (connection, error) => log.push(`close ${connection.attachment} ${error}`),
    };
    const server = serve({ handler });
    const [a, b] = [await client(server.port), await client(server.port)];
    a.write('a');
    expect((await receive(a, 1)).toString()).toBe('a');
    b.write('b');
    expect((await receive(b, 1)).toString()).toBe('b');
    a.end('A');
    expect((await receive(a, 2)).toString()).toBe('aA');
    await until(() => log.length === 2);
    expect(log).toEqual(['end aA', 'close aA undefined']);
  });

  test('a listener that throws harms neither its connection nor the others', async () => {
    const loop = new EventLoop();
    const thrown = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
    const { connection, peer } = await connected({ loop, trigger: 'edge' });
    let calls = 0;
    connection.on('data', (chunk) => {
      calls += 1;
      if (calls === 1) throw new Error('first chunk');
      connection.write(chunk);
    });
    for (const event of ['end', 'close'] as const) {
      connection.on(event, () => {
        throw new Error(event);
      });
    }
    peer.write('lost');
    await until(() => calls === 1);
    peer.write('kept');
    expect((await receive(peer, 4)).toString()).toBe('kept');
    peer.end();
    await until(() => connection.closed);
    expect(thrown.mock.calls.map(([error]) => (error as Error).message)).toEqual([
      'first chunk',
      'end',
      'close',
    ]);
    loop.close();
  });

  test('the end of the loop closes its connections', async () => {
    const loop = new EventLoop();
    const { server, connection } = await connected({ loop });
    const [closed, ended] = [next(connection, 'close'), next(server, 'close')];
    loop.close();
    expect(await closed).toEqual([expect.objectContaining({ code: 'ERR_LOOP_CLOSED' })]);
    await ended;
    expect(connection.closed).toBe(true);
  });
});

test('end calls back when the kernel has everything, with bytes of its own and without', async () => {
  const { connection, peer } = await connected();
  const received = receiveAll(peer);
  const log: string[] = [];
  await new Promise<void>((resolve) => {
    connection.write('first ', () => log.push('first'));
    connection.end('last', (error) => {
      log.push(`last ${error}`);
      resolve();
    });
  });
  expect(log).toEqual(['first', 'last undefined']);
  const late = await new Promise<Error | undefined>((resolve) => connection.end('x', resolve));
  expect(late).toMatchObject({ code: 'ERR_CONNECTION_CLOSED' });
  expect((await received).toString()).toBe('first last');
  const other = await connected();
  clog(other.connection);
  const total = other.connection.bytesWritten + other.connection.queuedBytes;
  const outcome = new Promise<Error | undefined>((resolve) => {
    other.connection.end(undefined, resolve);
  });
  other.peer.resume();
  expect(await outcome).toBeUndefined();
  expect(other.connection.bytesWritten).toBe(total);
});

test('a connection is handed over to nobody but a handler', async () => {
  const { connection, peer } = await connected();
  for (const wrong of [undefined, null, {}, () => {}, { ondata: () => {} }]) {
    expect(() => connection.setHandler(wrong as never)).toThrow(
      /"handler" argument must be an object with an onData method/,
    );
  }
  // It is told of as before.
  const data = next(connection, 'data');
  peer.write('x');
  await data;
});
