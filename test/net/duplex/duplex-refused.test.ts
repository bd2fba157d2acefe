/** Fds that cannot be a stream, and their fate. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import {
  AF_UNIX,
  F_GETFL,
  O_NONBLOCK,
  SOCK_CLOEXEC,
  SOCK_STREAM,
} from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { fcntl } from '../../../src/sys/io';
import { bind, listen, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { FdReader } from '../../../src/watch/stream/fd-reader';
import { client, receiveAll } from '../../support/client';
import { destroyLater } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put } from '../../support/fds';
import { makeFolder } from '../../support/folder';
import { next } from '../../support/until';
import { copy, duplex, isOpen, pipe, textOf } from './fds-rig';

expectNoFdLeaks();

describe('what is refused', () => {
  test.each(['r', 'w', 'r+'])('a regular file, opened for %s', (flags) => {
    const path = join(makeFolder(), 'file');
    writeFileSync(path, 'text');
    const fd = openSync(path, flags);
    closeLater(fd);
    expect(() => new FdDuplex(fd)).toThrow(
      expect.objectContaining({
        code: 'EPERM',
        fd,
        message: `epoll_ctl EPERM: fd ${fd} is a regular file, which is always ready and cannot be watched; use node:fs`,
      }),
    );
    expect(() => new FdDuplex({ writeFd: fd })).toThrow(/EPERM/);
    // It was not taken over.
    expect(isOpen(fd)).toBe(true);
  });

  test('a directory, an fd that is not open, a number that is no fd', () => {
    const folder = join(makeFolder(), 'folder');
    mkdirSync(folder);
    const fd = closeLater(openSync(folder, 'r'));
    expect(() => new FdDuplex(fd)).toThrow(/fd \d+ is a directory/);
    closeNow(fd);
    expect(() => new FdDuplex(fd)).toThrow(expect.objectContaining({ code: 'EBADF', fd }));
    for (const wrong of [-1, 1.5, NaN]) expect(() => new FdDuplex(wrong)).toThrow(RangeError);
  });

  test('an fd that the loop watches for somebody else, who keeps it', async () => {
    const [end, peer] = pair();
    const stream = duplex(copy(end));
    const { fd } = stream.connection as TcpConnection;
    for (const source of [fd, { readFd: fd }]) {
      expect(() => new FdDuplex(source)).toThrow(expect.objectContaining({ code: 'EEXIST', fd }));
      expect(isOpen(fd)).toBe(true);
    }
    put(peer, 'still here');
    expect(String(await next(stream, 'data'))).toBe('still here');
    const { reader, writer } = pipe();
    const first = duplex(reader);
    expect(() => new FdReader(reader)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    expect(isOpen(reader)).toBe(true);
    expect(() => new FdDuplex({ readFd: reader })).toThrow(/EEXIST/);
    writeSync(writer, 'for the first');
    closeSync(writer);
    expect(await textOf(first)).toBe('for the first');
  });

  test('a socket that listens, whose server goes on', async () => {
    const server = destroyLater(new TcpServer({ port: 0 }));
    const { fd } = server;
    const outer = closeLater(unwrap(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket'));
    unwrap(bind(outer, encodeUnixAddress({ path: '' })), 'bind');
    unwrap(listen(outer, 1), 'listen');
    for (const listener of [fd, outer]) {
      for (const source of [listener, { readFd: listener }, { writeFd: listener }]) {
        expect(() => new FdDuplex(source)).toThrow(
          expect.objectContaining({
            code: 'EINVAL',
            fd: listener,
            message: expect.stringContaining(
              `fd ${listener} is a socket that listens; give it to a TcpServer or UnixServer, as the option "fd"`,
            ),
          }),
        );
      }
    }
    // As it was, and open.
    expect(unwrap(fcntl(outer, F_GETFL), 'fcntl') & O_NONBLOCK).toBe(0);
    server.on('connection', (connection) => connection.end('hello'));
    expect((await receiveAll(await client(server.port))).toString()).toBe('hello');
  });

  test('a wrong option leaves the fd open', () => {
    const fd = counter();
    expect(() => new FdDuplex(fd, { owned: true } as never)).toThrow(/FdDuplex.*owned/);
    expect(() => new FdDuplex({ readFd: fd, fd } as never)).toThrow(/FdDuplex/);
    expect(isOpen(fd)).toBe(true);
  });

  test('a device that cannot be polled, which is closed then', () => {
    const fd = openSync('/dev/zero', 'r');
    expect(() => new FdDuplex(fd)).toThrow(/EPERM/);
    expect(isOpen(fd)).toBe(false);
  });
});
