import { fstatSync, ftruncateSync, readlinkSync } from 'node:fs';
import * as sys from '../../src/sys';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, put, take } from '../support/fds';
import { memoryFile, pipe, textOf } from '../support/files';

expectNoFdLeaks();

const c = sys.constants;
const { errno } = sys;
const NOT_OPEN = 19_999;

describe('pipe2', () => {
  test('what goes in comes out, and the flags are those that were asked for', () => {
    const { reader, writer } = pipe();
    put(writer, 'through');
    expect(take(reader)).toBe('through');
    for (const fd of [reader, writer]) {
      expect(sys.fcntl(fd, c.F_GETFD)).toBe(c.FD_CLOEXEC);
      expect(sys.fcntl(fd, c.F_GETFL) & c.O_NONBLOCK).toBe(c.O_NONBLOCK);
    }
    expect(sys.read(reader, new Uint8Array(1))).toBe(-errno.EAGAIN);
  });

  test('without flags it blocks and is inherited', () => {
    const fds = new Int32Array(2);
    expect(sys.pipe2(fds, 0)).toBe(0);
    const [reader, writer] = [...fds].map(closeLater) as [number, number];
    expect(sys.fcntl(reader, c.F_GETFD)).toBe(0);
    expect(sys.fcntl(writer, c.F_GETFL) & c.O_NONBLOCK).toBe(0);
  });

  test('a full pipe is EAGAIN, and one without a reader EPIPE', () => {
    const { reader, writer } = pipe();
    const size = sys.fcntl(writer, c.F_SETPIPE_SZ, 4_096);
    expect(sys.fcntl(writer, c.F_GETPIPE_SZ)).toBe(size);
    expect(sys.write(writer, new Uint8Array(size))).toBe(size);
    expect(sys.write(writer, new Uint8Array(1))).toBe(-errno.EAGAIN);
    closeNow(reader);
    expect(sys.write(writer, new Uint8Array(1))).toBe(-errno.EPIPE);
  });

  test('unknown flags are EINVAL, and no fd is made', () => {
    const fds = Int32Array.of(-7, -7);
    expect(sys.pipe2(fds, 1)).toBe(-errno.EINVAL);
    expect([...fds]).toEqual([-7, -7]);
  });
});

describe('dup3', () => {
  test('makes an open number another fd of the description', () => {
    const { reader, writer } = pipe();
    const other = counter();
    expect(sys.dup3(reader, other, c.O_CLOEXEC)).toBe(other);
    expect(sys.fcntl(other, c.F_GETFD)).toBe(c.FD_CLOEXEC);
    put(writer, 'x');
    expect(take(other)).toBe('x');
  });

  test('its errors: EBADF, EINVAL', () => {
    const [fd, other] = [counter(), counter()];
    expect(sys.dup3(NOT_OPEN, other, 0)).toBe(-errno.EBADF);
    expect(sys.dup3(fd, 2 ** 31 - 1, 0)).toBe(-errno.EBADF);
    expect(sys.dup3(fd, fd, 0)).toBe(-errno.EINVAL);
    expect(sys.dup3(fd, other, 1)).toBe(-errno.EINVAL);
  });
});

describe('memfdCreate', () => {
  test('makes a file that has a name in /proc only', () => {
    const fd = closeLater(sys.memfdCreate('grüße', c.MFD_CLOEXEC));
    expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe('/memfd:grüße (deleted)');
    expect(sys.fcntl(fd, c.F_GETFD)).toBe(c.FD_CLOEXEC);
    put(fd, 'contents');
    expect(textOf(fd)).toBe('contents');
  });

  test('can be sealed', () => {
    const fd = closeLater(sys.memfdCreate('', c.MFD_CLOEXEC | c.MFD_ALLOW_SEALING));
    put(fd, 'sealed');
    const seals = c.F_SEAL_WRITE | c.F_SEAL_GROW | c.F_SEAL_SHRINK | c.F_SEAL_SEAL;
    expect(sys.fcntl(fd, c.F_ADD_SEALS, seals)).toBe(0);
    expect(sys.fcntl(fd, c.F_GET_SEALS)).toBe(seals);
    expect(sys.write(fd, new Uint8Array(1))).toBe(-errno.EPERM);
    expect(() => ftruncateSync(fd, 0)).toThrow(expect.objectContaining({ code: 'EPERM' }));
  });

  test('a name that is too long, or flags that do not exist, are EINVAL', () => {
    expect(sys.memfdCreate('x'.repeat(250), 0)).toBe(-errno.EINVAL);
    expect(sys.memfdCreate('x', 0x4000)).toBe(-errno.EINVAL);
  });

  test('a name with a NUL is refused', () => {
    expect(() => sys.memfdCreate('a\0b', 0)).toThrow(/"name"/);
    expect(() => sys.memfdCreate(5 as never, 0)).toThrow(TypeError);
  });
});

describe('lseek', () => {
  test('from the start, from here, from the end, also far away', () => {
    const fd = memoryFile('x', 5 * 2 ** 30);
    const size = 5 * 2 ** 30 + 1;
    expect(fstatSync(fd).size).toBe(size);
    expect(sys.lseek(fd, 7, c.SEEK_SET)).toBe(7);
    expect(sys.lseek(fd, -3, c.SEEK_CUR)).toBe(4);
    expect(sys.lseek(fd, -1, c.SEEK_END)).toBe(size - 1);
    expect(take(fd)).toBe('x');
    expect(sys.lseek(fd, 2 ** 53 - 1, c.SEEK_SET)).toBe(2 ** 53 - 1);
  });

  test('finds data and holes', () => {
    const fd = memoryFile('x', 2 ** 32);
    expect(sys.lseek(fd, 0, c.SEEK_HOLE)).toBe(0);
    expect(sys.lseek(fd, 0, c.SEEK_DATA)).toBe(2 ** 32);
    expect(sys.lseek(fd, 2 ** 33, c.SEEK_DATA)).toBe(-errno.ENXIO);
  });

  test('its errors: EBADF, EINVAL, ESPIPE, EOVERFLOW', () => {
    const fd = memoryFile('x');
    expect(sys.lseek(NOT_OPEN, 0, c.SEEK_SET)).toBe(-errno.EBADF);
    expect(sys.lseek(fd, -1, c.SEEK_SET)).toBe(-errno.EINVAL);
    expect(sys.lseek(fd, 0, 99)).toBe(-errno.EINVAL);
    expect(sys.lseek(pipe().reader, 0, c.SEEK_SET)).toBe(-errno.ESPIPE);
    expect(sys.lseek(fd, 2 ** 53 - 1, c.SEEK_SET)).toBe(2 ** 53 - 1);
    expect(sys.lseek(fd, 1, c.SEEK_CUR)).toBe(-errno.EOVERFLOW);
  });
});
