/** FIN, destroy, reset and deadlines: the bytes that are still sent, and the events. */
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import * as sys from '../../../src/sys';
import { receive, receiveAll } from '../../support/client';
import { clog, connected, isCutAt, serve } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow } from '../../support/fds';
import { next, until } from '../../support/until';

expectNoFdLeaks();

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
    await until(() => {
      if (!connection.closed) connection.write('x');
      return connection.closed;
    });
    const [error] = await closed;
    expect(['ECONNRESET', 'EPIPE']).toContain((error as unknown as { code: string }).code);
  });

  test('an idle connection is cut, and a busy one is not', async () => {
    const { connection, peer } = await connected({ idleTimeoutMs: 100_000 });
    const opened = connection.lastActivity;
    expect(isCutAt(connection, opened + 99_999)).toBe(false);
    const closed = next(connection, 'close');
    await until(() => performance.now() > opened + 1);
    peer.write('x');
    await next(connection, 'data');
    expect(connection.lastActivity).toBeGreaterThan(opened);
    expect(isCutAt(connection, connection.lastActivity + 99_999)).toBe(false);
    await until(() => isCutAt(connection, connection.lastActivity + 200_000));
    expect(await closed).toEqual([
      expect.objectContaining({ code: 'ETIMEDOUT', message: expect.stringContaining('100000 ms') }),
    ]);
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
