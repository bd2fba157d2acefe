/** sendFile of a connection: callbacks, return values, refusals. */
import { closeSync, openSync } from 'node:fs';
import { connect } from '../../../src/net/client/connect';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { UnixServer } from '../../../src/net/server/unix-server';
import { receive } from '../../support/client';
import { clog, connected } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeNow } from '../../support/fds';
import { memoryFile, pipe, positionOf } from '../../support/files';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';
import { fileOf, MIB } from './file-rig';

expectNoFdLeaks();

describe('callbacks and return values', () => {
  test('true if the kernel has it all at once; the callback comes later', async () => {
    const { connection, peer } = await connected();
    const { fd, content } = fileOf(1_000);
    const outcomes: unknown[][] = [];
    const flowing = connection.sendFile(fd, { offset: 0, length: 1_000 }, (...args) =>
      outcomes.push(args),
    );
    expect([flowing, outcomes]).toEqual([true, []]);
    expect(
      connection.sendFile(fd, { offset: 0, length: 0 }, (...args) => outcomes.push(args)),
    ).toBe(true);
    expect(outcomes).toEqual([]);
    await until(() => outcomes.length === 2);
    expect(outcomes).toEqual([[], []]);
    expect((await receive(peer, 1_000)).equals(content)).toBe(true);
  });

  test('false if some of it waits; then drain follows, and memory does not count it', async () => {
    const { connection, peer } = await connected({ highWaterMark: 1_000, maxQueuedBytes: 2_000 });
    const fd = memoryFile('', 30 * MIB);
    expect(connection.sendFile(fd, { offset: 0, length: 30 * MIB })).toBe(false);
    expect(connection.queuedBytes).toBe(0);
    expect(connection.queuedFileBytes).toBeGreaterThan(0);
    expect(connection.write(Buffer.alloc(500))).toBe(true);
    expect(connection.queuedBytes).toBe(500);
    const drained = next(connection, 'drain');
    await receive(peer, 30 * MIB + 500);
    await drained;
    expect([connection.queuedBytes, connection.queuedFileBytes]).toEqual([0, 0]);
  });

  test('destroy fails every range once, the sent ones not', async () => {
    const { connection } = await connected();
    const fd = memoryFile('', 50 * MIB);
    const outcomes: string[] = [];
    const note =
      (name: string) =>
      (error?: Error): void => {
        outcomes.push(`${name} ${(error as NodeJS.ErrnoException | undefined)?.code}`);
      };
    connection.sendFile(fd, { offset: 0, length: 10 }, note('sent'));
    connection.sendFile(fd, { offset: 0, length: 50 * MIB }, note('half'));
    connection.sendFile(fd, { offset: 0, length: 10 }, note('none'));
    connection.destroy();
    connection.sendFile(fd, { offset: 0, length: 10 }, note('late'));
    await until(() => outcomes.length === 4);
    expect(outcomes.sort()).toEqual([
      'half ERR_CONNECTION_CLOSED',
      'late ERR_CONNECTION_CLOSED',
      'none ERR_CONNECTION_CLOSED',
      'sent undefined',
    ]);
    // Borrowed, and given back.
    expect(positionOf(fd)).toBe(0);
  });

  test('a failure at once is told later too, and once', async () => {
    const { connection } = await connected();
    const fd = memoryFile('short');
    const outcomes: unknown[] = [];
    const closed = next(connection, 'close');
    expect(connection.sendFile(fd, { offset: 0, length: 6 }, (error) => outcomes.push(error))).toBe(
      false,
    );
    expect(outcomes).toEqual([]);
    expect(connection.writable).toBe(false);
    const error = expect.objectContaining({ code: 'ERR_FILE_TRUNCATED' });
    expect(await closed).toEqual([error]);
    await until(() => outcomes.length > 0);
    expect(outcomes).toEqual([error]);
  });

  test('a peer that reads nothing of it is cut at the write deadline', async () => {
    const { connection } = await connected({ writeTimeoutMs: 50 });
    const file = memoryFile('', 50 * MIB);
    const outcomes: unknown[] = [];
    const closed = next(connection, 'close');
    connection.sendFile(file, { offset: 0, length: 50 * MIB }, (error) => outcomes.push(error));
    const error = expect.objectContaining({ code: 'ETIMEDOUT', syscall: 'write' });
    expect(await closed).toEqual([error]);
    expect(outcomes).toEqual([error]);
  });

  test('what is no range is refused, and changes nothing', async () => {
    const { connection, peer } = await connected();
    const fd = memoryFile('text');
    const bad: [unknown, unknown, string, string][] = [
      ['1', { offset: 0, length: 1 }, 'ERR_INVALID_ARG_TYPE', '"fd"'],
      [-1, { offset: 0, length: 1 }, 'ERR_OUT_OF_RANGE', '"fd"'],
      [Number.NaN, { offset: 0, length: 1 }, 'ERR_OUT_OF_RANGE', '"fd"'],
      [fd, null, 'ERR_INVALID_ARG_TYPE', '"range"'],
      [fd, 5, 'ERR_INVALID_ARG_TYPE', '"range"'],
      [fd, { length: 1 }, 'ERR_INVALID_ARG_TYPE', '"range.offset"'],
      [fd, { offset: -1, length: 1 }, 'ERR_OUT_OF_RANGE', '"range.offset"'],
      [fd, { offset: 0.5, length: 1 }, 'ERR_OUT_OF_RANGE', '"range.offset"'],
      [fd, { offset: 0 }, 'ERR_INVALID_ARG_TYPE', '"range.length"'],
      [fd, { offset: 0, length: -1 }, 'ERR_OUT_OF_RANGE', '"range.length"'],
      [fd, { offset: 2, length: 2 ** 53 - 2 }, 'ERR_OUT_OF_RANGE', '"range.length"'],
    ];
    for (const [badFd, range, code, name] of bad) {
      expect(() => connection.sendFile(badFd as number, range as never)).toThrow(
        expect.objectContaining({ code, message: expect.stringContaining(name) }),
      );
    }
    const range = { offset: 0, length: 1 };
    const directory = openSync('/', 'r');
    for (const other of [pipe().reader, directory, connection.fd]) {
      expect(() => connection.sendFile(other, range)).toThrow(
        expect.objectContaining({
          code: 'EINVAL',
          message: expect.stringContaining(`fd ${other} is not a regular file`),
        }),
      );
    }
    closeSync(directory);
    const gone = memoryFile();
    closeNow(gone);
    expect(() => connection.sendFile(gone, range)).toThrow(
      expect.objectContaining({ code: 'EBADF' }),
    );
    expect(connection.sendFile(fd, { offset: 0, length: 4 })).toBe(true);
    expect((await receive(peer, 4)).toString()).toBe('text');
  });

  test('sendFile in a callback of a range comes after what was written before', async () => {
    const { connection, peer } = await connected();
    const fd = memoryFile('0123456789');
    const queued = clog(connection);
    connection.sendFile(fd, { offset: 0, length: 3 }, () => {
      connection.sendFile(fd, { offset: 6, length: 3 });
      connection.write('!');
    });
    connection.sendFile(fd, { offset: 3, length: 3 });
    expect((await receive(peer, queued + 10)).subarray(queued).toString()).toBe('012345678!');
  });

  test('over a unix socket, and by the side that connected', async () => {
    const server = new UnixServer({ path: '\0epoll-ffi-send-file' });
    const accepted = next<[TcpConnection]>(server, 'connection');
    const caller = await connect({ path: '\0epoll-ffi-send-file' });
    const [called] = await accepted;
    const { fd, content } = fileOf(2 * MIB);
    const chunks: Buffer[] = [];
    called.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
    caller.sendFile(fd, { offset: 0, length: content.length });
    caller.end();
    await next(called, 'close');
    expect(sha(Buffer.concat(chunks))).toBe(sha(content));
    server.destroy();
  });
});
