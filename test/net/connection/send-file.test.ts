/** Ranges of files in a connection: bytes, order, turns, offsets beyond 2 GiB. */
import { randomBytes } from 'node:crypto';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { MSG_TRUNC } from '../../../src/sys/constants';
import { errno, unwrap } from '../../../src/sys/errno';
import { dup3 } from '../../../src/sys/fds';
import { recv } from '../../../src/sys/socket';
import { client, receive, receiveAll } from '../../support/client';
import { connected, connectedFd } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { memoryFile, pipe, positionOf } from '../../support/files';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';
import { fileOf, MIB } from './file-rig';

expectNoFdLeaks();

describe.each(['level', 'edge'] as const)('%s-triggered', (trigger) => {
  test('bytes of a file arrive as they are, and its position stays', async () => {
    const { connection, peer } = await connected({ trigger });
    const { fd, content } = fileOf(9_000_001);
    const position = positionOf(fd);
    const outcomes: unknown[][] = [];
    connection.sendFile(fd, { offset: 1_001, length: 8_000_000 }, (...args) => outcomes.push(args));
    expect(outcomes).toEqual([]);
    const received = await receive(peer, 8_000_000);
    expect(sha(received)).toBe(sha(content.subarray(1_001, 8_001_001)));
    await until(() => outcomes.length > 0);
    expect(positionOf(fd)).toBe(position);
    expect([connection.bytesWritten, connection.queuedFileBytes]).toEqual([8_000_000, 0]);
    // One whose rest is nothing has no second call.
    await new Promise(setImmediate);
    expect(outcomes).toEqual([[]]);
  });

  test('a paused connection sends a file of many turns', async () => {
    const { connection, peer } = await connected({ trigger, writeQuantumBytes: 10_000 });
    connection.pause();
    const { fd, content } = fileOf(3 * MIB);
    connection.sendFile(fd, { offset: 0, length: content.length });
    expect(sha(await receive(peer, content.length))).toBe(sha(content));
  });

  test('also one that was half closed by its peer', async () => {
    const { connection, peer } = await connected({ trigger, allowHalfOpen: true });
    peer.end();
    await next(connection, 'end');
    const { fd, content } = fileOf(3 * MIB);
    connection.sendFile(fd, { offset: 0, length: content.length });
    connection.end();
    expect(sha(await receiveAll(peer))).toBe(sha(content));
  });

  test('the order of writes and ranges is kept, in whatever way they come', async () => {
    const { connection, peer } = await connected({ trigger });
    const { fd, content } = fileOf(600_000);
    const large = randomBytes(300_000);
    const expected: Buffer[] = [];
    const write = (bytes: Buffer): void => {
      expected.push(bytes);
      connection.write(bytes);
    };
    const send = (offset: number, length: number): void => {
      expected.push(content.subarray(offset, offset + length));
      connection.sendFile(fd, { offset, length });
    };
    const everything = (): void => {
      write(Buffer.from('head'));
      send(5, 500_000);
      write(large);
      send(0, 10);
      send(10, 0);
      send(10, 10);
      connection.cork();
      write(Buffer.from('corked'));
      send(1, 600_000 - 1);
      write(Buffer.from('tail'));
      connection.uncork();
      send(0, 600_000);
      expected.push(Buffer.from('AB'));
      connection.writePair(Buffer.from('A'), Buffer.from('B'));
    };
    connection.once('data', () => {
      everything();
      setImmediate(() => {
        everything();
        connection.end();
      });
    });
    peer.write('go');
    const received = await receiveAll(peer);
    expect(sha(received)).toBe(sha(Buffer.concat(expected)));
  });

  test('a file that became shorter is a reset for the peer, not an end', async () => {
    // A bare fd: node:net takes a reset behind bytes for an end.
    const { connection, fd: peer } = await connectedFd({ trigger });
    const file = memoryFile('', 20 * MIB);
    const outcomes: unknown[] = [];
    const note = (error?: Error): void => void outcomes.push(error);
    expect(connection.sendFile(file, { offset: 0, length: 20 * MIB }, note)).toBe(false);
    connection.write('after', note);
    connection.end();
    ftruncateSync(file, 15 * MIB);
    let closedWith: unknown;
    connection.on('close', (error) => {
      closedWith = error;
    });
    const sink = Buffer.allocUnsafe(MIB);
    await until(() => {
      if (!connection.closed) recv(peer, sink, sink.length, MSG_TRUNC);
      return connection.closed;
    });
    expect(closedWith).toMatchObject({
      code: 'ERR_FILE_TRUNCATED',
      message: expect.stringContaining(`fd ${file} ended at offset ${15 * MIB}`),
    });
    expect(outcomes).toEqual([closedWith, closedWith]);
    let count = 1;
    while (count > 0) count = recv(peer, sink, sink.length, MSG_TRUNC);
    expect(count).toBe(-errno.ECONNRESET);
  });

  test.each(['another file', 'a pipe'])(
    'an fd that is %s when its turn comes: nothing more is sent, and the peer gets a reset',
    async (replacement) => {
      const { connection, fd: peer } = await connectedFd({ trigger });
      const file = memoryFile('', 20 * MIB);
      const outcomes: unknown[] = [];
      const note = (error?: Error): void => void outcomes.push(error);
      const closed = next<[Error]>(connection, 'close');
      connection.sendFile(file, { offset: 0, length: 20 * MIB }, note);
      connection.sendFile(file, { offset: 0, length: 10 }, note);
      // What happens when the owner closes it and the number is given to the next.
      const other = replacement === 'a pipe' ? pipe().reader : memoryFile('s'.repeat(20 * MIB));
      unwrap(dup3(other, file, 0), 'dup3');
      const sink = Buffer.alloc(MIB);
      let strange = 0;
      let count = 0;
      await until(() => {
        count = recv(peer, sink, sink.length, 0);
        strange += count > 0 && sink.subarray(0, count).includes('s') ? 1 : 0;
        return count === -errno.ECONNRESET;
      });
      const [error] = await closed;
      expect(strange).toBe(0);
      expect(error).toMatchObject({
        code: 'EBADF',
        message: expect.stringContaining(`fd ${file} was closed while a range of its file`),
      });
      expect(outcomes).toEqual([error, error]);
      expect(connection.bytesWritten).toBeLessThan(20 * MIB);
    },
  );

  test('a peer that goes away in the middle', async () => {
    const { connection, peer } = await connected({ trigger });
    const fd = memoryFile('', 50 * MIB);
    const outcomes: unknown[] = [];
    connection.sendFile(fd, { offset: 0, length: 50 * MIB }, (error) => outcomes.push(error));
    await receive(peer, MIB);
    const closed = next<[Error]>(connection, 'close');
    peer.resetAndDestroy();
    const [error] = await closed;
    expect(['ECONNRESET', 'EPIPE']).toContain((error as NodeJS.ErrnoException).code);
    expect(outcomes).toEqual([error]);
  });

  test('a huge file leaves the others their turns', async () => {
    const { server, connection, fd } = await connectedFd({ trigger });
    const file = memoryFile('', 400 * MIB);
    connection.sendFile(file, { offset: 0, length: 400 * MIB });
    const sink = Buffer.allocUnsafe(8 * MIB);
    server.on('connection', (calm) => calm.on('data', (chunk) => calm.write(chunk)));
    const calm = await client(server.port);
    for (let round = 0; round < 20; round += 1) {
      // A peer that empties its side each time: the kernel would take more and more.
      while (recv(fd, sink, sink.length, MSG_TRUNC) > 0);
      calm.write('ping');
      expect((await receive(calm, 4)).toString()).toBe('ping');
    }
    expect(connection.queuedFileBytes).toBeGreaterThan(0);
    connection.destroy();
  });
});

describe('one turn', () => {
  test.each(['level', 'edge'] as const)(
    'takes no more than a quantum of each file, round and round (%s)',
    async (trigger) => {
      const options = { trigger, writeQuantumBytes: 1_000 };
      const one = await connected(options);
      const accepted = next<[TcpConnection]>(one.server, 'connection');
      const otherPeer = await client(one.server.port);
      const [other] = await accepted;
      const fd = memoryFile('', 100_000);
      let finished = 0;
      let rest = 0;
      const onEnd = (): void => {
        finished += 1;
        if (finished === 1) rest = one.connection.queuedFileBytes + other.queuedFileBytes;
      };
      one.connection.sendFile(fd, { offset: 0, length: 100_000 }, onEnd);
      other.sendFile(fd, { offset: 0, length: 100_000 }, onEnd);
      expect([one.connection.bytesWritten, other.bytesWritten]).toEqual([1_000, 1_000]);
      one.peer.resume();
      otherPeer.resume();
      await until(() => finished === 2);
      // Neither is more than a few turns ahead.
      expect(rest).toBeLessThan(50_000);
    },
  );
});

describe('far away', () => {
  let folder = '';
  let fd = -1;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
    fd = openSync(join(folder, 'sparse'), 'w+');
    ftruncateSync(fd, 5 * 1024 * MIB);
    for (const border of [2 ** 31, 2 ** 32]) writeSync(fd, 'ABCDEFGH', border - 4);
    writeSync(fd, 'THE END', 5 * 1024 * MIB - 7);
  });
  afterAll(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  test.each([2 ** 31, 2 ** 32])('a range across offset %d', async (border) => {
    const { connection, peer } = await connected();
    connection.sendFile(fd, { offset: border - 2, length: 4 });
    expect((await receive(peer, 4)).toString()).toBe('CDEF');
  });

  test('a range of more than 2 GiB', async () => {
    const { connection, fd: peer } = await connectedFd();
    const length = 2 ** 31 + 3 * MIB;
    let sent = false;
    connection.sendFile(fd, { offset: 5 * 1024 * MIB - length, length }, (error) => {
      sent = error === undefined;
    });
    expect(connection.queuedFileBytes).toBeGreaterThan(2 ** 31);
    connection.end();
    const sink = Buffer.allocUnsafe(8 * MIB);
    let received = 0;
    await until(() => {
      // Discarded in the kernel, all but the last bytes.
      for (let count = 1; count > 0 && received < length - 7; received += Math.max(count, 0)) {
        count = recv(peer, sink, Math.min(sink.length, length - 7 - received), MSG_TRUNC);
      }
      return received === length - 7;
    }, 500_000);
    await until(() => sent);
    expect(sink.toString('latin1', 0, recv(peer, sink, 100, 0))).toBe('THE END');
    expect(recv(peer, sink, 100, 0)).toBe(0);
  }, 510_000);
});
