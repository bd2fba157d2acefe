import { fstatSync, openSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as sys from '../../src/sys';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put, take } from '../support/fds';
import { memoryFile, pipe, positionOf, textOf } from '../support/files';

expectNoFdLeaks();

const c = sys.constants;
const { errno } = sys;
const NOT_OPEN = 19_999;
/** Past what an int and an unsigned int can hold, and not a multiple of anything. */
const FAR = [2 ** 31 - 3, 2 ** 32 - 3, 5 * 2 ** 30 + 7];

describe('sendfile', () => {
  test('from an offset, and the position of the file stays', () => {
    const [a, b] = pair();
    const file = memoryFile('hello world');
    expect(sys.lseek(file, 2, c.SEEK_SET)).toBe(2);
    expect(sys.sendfile(a, file, 6, 3)).toBe(3);
    expect(take(b)).toBe('wor');
    expect(positionOf(file)).toBe(2);
  });

  test('with null from the position of the file, which moves', () => {
    const [a, b] = pair();
    const file = memoryFile('hello world');
    expect(sys.lseek(file, 6, c.SEEK_SET)).toBe(6);
    expect(sys.sendfile(a, file, null, 3)).toBe(3);
    expect(sys.sendfile(a, file, null, 100)).toBe(2);
    expect(take(b)).toBe('world');
    expect(positionOf(file)).toBe(11);
  });

  test('is 0 at the end of the file and past it, and for no bytes', () => {
    const [a] = pair();
    const file = memoryFile('x');
    expect(sys.sendfile(a, file, 1, 10)).toBe(0);
    expect(sys.sendfile(a, file, 2 ** 40, 10)).toBe(0);
    expect(sys.sendfile(a, file, 0, 0)).toBe(0);
  });

  test('a whole file, in as many calls as a full socket makes necessary', () => {
    const [a, b] = pair();
    const text = 'abcdefgh'.repeat(128 * 1024);
    const file = memoryFile(text);
    let offset = 0;
    let received = '';
    let refusals = 0;
    while (offset < text.length) {
      // More than there is; the caller goes on from what was taken.
      const sent = sys.sendfile(a, file, offset, Number.MAX_SAFE_INTEGER);
      if (sent === -errno.EAGAIN) {
        refusals += 1;
        received += take(b);
        continue;
      }
      expect(sent).toBeGreaterThan(0);
      offset += sent;
    }
    for (let rest = take(b); rest !== ''; rest = take(b)) received += rest;
    expect(received === text).toBe(true);
    expect(refusals).toBeGreaterThan(0);
  });

  test.each(FAR)('at the offset %d', (offset) => {
    const [a, b] = pair();
    const file = memoryFile('far away', offset);
    expect(sys.sendfile(a, file, offset - 1, 100)).toBe(9);
    expect(take(b)).toBe('\0far away');
  });

  test('the largest offset is taken, and no larger one', () => {
    const [a] = pair();
    const file = memoryFile('x');
    expect(sys.sendfile(a, file, Number.MAX_SAFE_INTEGER, 10)).toBe(0);
    expect(() => sys.sendfile(a, file, 2 ** 53, 10)).toThrow(/"offset"/);
    expect(() => sys.sendfile(a, file, -1, 10)).toThrow(/"offset"/);
  });

  test('to another file', () => {
    const file = memoryFile('copy me');
    const copy = memoryFile();
    expect(sys.sendfile(copy, file, 0, 100)).toBe(7);
    expect(textOf(copy)).toBe('copy me');
  });

  test('its errors: EBADF, EINVAL, ESPIPE, EPIPE', () => {
    const [a, b] = pair();
    const file = memoryFile('hello');
    const { reader } = pipe();
    expect(sys.sendfile(NOT_OPEN, file, 0, 1)).toBe(-errno.EBADF);
    expect(sys.sendfile(a, NOT_OPEN, 0, 1)).toBe(-errno.EBADF);
    const readOnly = closeLater(openSync(__filename, 'r'));
    expect(sys.sendfile(readOnly, file, 0, 1)).toBe(-errno.EBADF);
    expect(sys.sendfile(a, counter(), null, 1)).toBe(-errno.EINVAL);
    expect(sys.sendfile(a, reader, 0, 1)).toBe(-errno.ESPIPE);
    closeNow(b);
    expect(sys.sendfile(a, file, 0, 1)).toBe(-errno.EPIPE);
  });

  test('a file that is open for appending takes nothing: EINVAL', () => {
    const path = join(tmpdir(), `epoll-ffi-append-${process.pid}`);
    const appended = closeLater(openSync(path, 'a'));
    unlinkSync(path);
    expect(sys.sendfile(appended, memoryFile('hello'), 0, 1)).toBe(-errno.EINVAL);
  });
});

describe('splice', () => {
  test('from a file to a pipe and on to a socket', () => {
    const [a, b] = pair();
    const { reader, writer } = pipe();
    const file = memoryFile('through the pipe');
    expect(sys.splice(file, 8, writer, null, 100, 0)).toBe(8);
    expect(positionOf(file)).toBe(0);
    expect(sys.splice(reader, null, a, null, 3, c.SPLICE_F_MORE)).toBe(3);
    expect(sys.splice(reader, null, a, null, 100, c.SPLICE_F_MOVE)).toBe(5);
    expect(take(b)).toBe('the pipe');
  });

  test('with null for a file its position moves', () => {
    const { writer } = pipe();
    const file = memoryFile('hello');
    expect(sys.splice(file, null, writer, null, 2, 0)).toBe(2);
    expect(positionOf(file)).toBe(2);
  });

  test.each(FAR)('to and from a file at the position %d', (position) => {
    const { reader, writer } = pipe();
    const file = memoryFile('', position);
    put(writer, 'far away');
    expect(sys.splice(reader, null, file, position, 100, 0)).toBe(8);
    expect(fstatSync(file).size).toBe(position + 8);
    expect(sys.splice(file, position + 4, writer, null, 100, 0)).toBe(4);
    expect(take(reader)).toBe('away');
  });

  test('its errors: EAGAIN, EBADF, EINVAL, ESPIPE; 0 at the end', () => {
    const [a] = pair();
    const { reader, writer } = pipe();
    const file = memoryFile('hello');
    const nonBlocking = c.SPLICE_F_NONBLOCK;
    expect(sys.splice(reader, null, a, null, 1, nonBlocking)).toBe(-errno.EAGAIN);
    expect(sys.splice(NOT_OPEN, null, writer, null, 1, 0)).toBe(-errno.EBADF);
    expect(sys.splice(writer, null, a, null, 1, 0)).toBe(-errno.EBADF);
    expect(sys.splice(file, 0, a, null, 1, 0)).toBe(-errno.EINVAL);
    expect(sys.splice(reader, null, writer, null, 1, 0)).toBe(-errno.EINVAL);
    expect(sys.splice(reader, 0, a, null, 1, 0)).toBe(-errno.ESPIPE);
    expect(sys.splice(file, null, writer, 0, 1, 0)).toBe(-errno.ESPIPE);
    expect(sys.splice(file, 5, writer, null, 1, 0)).toBe(0);
    closeNow(writer);
    expect(sys.splice(reader, null, a, null, 1, nonBlocking)).toBe(0);
  });

  test('a pipe without a reader is EPIPE, and the process lives', () => {
    const { reader, writer } = pipe();
    closeNow(reader);
    expect(sys.splice(memoryFile('hello'), 0, writer, null, 1, 0)).toBe(-errno.EPIPE);
  });
});

describe('tee', () => {
  test('copies from pipe to pipe, and leaves the bytes where they were', () => {
    const [from, to] = [pipe(), pipe()];
    put(from.writer, 'twice');
    expect(sys.tee(from.reader, to.writer, 3, 0)).toBe(3);
    expect(take(to.reader)).toBe('twi');
    expect(sys.tee(from.reader, to.writer, 100, 0)).toBe(5);
    expect([take(to.reader), take(from.reader)]).toEqual(['twice', 'twice']);
  });

  test('its errors: EAGAIN, EBADF, EINVAL; 0 at the end', () => {
    const [from, to] = [pipe(), pipe()];
    const nonBlocking = c.SPLICE_F_NONBLOCK;
    expect(sys.tee(from.reader, to.writer, 1, nonBlocking)).toBe(-errno.EAGAIN);
    expect(sys.tee(NOT_OPEN, to.writer, 1, 0)).toBe(-errno.EBADF);
    expect(sys.tee(memoryFile('x'), to.writer, 1, 0)).toBe(-errno.EINVAL);
    expect(sys.tee(from.reader, from.writer, 1, 0)).toBe(-errno.EINVAL);
    closeNow(from.writer);
    expect(sys.tee(from.reader, to.writer, 1, nonBlocking)).toBe(0);
  });
});
