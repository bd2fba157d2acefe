import { openSync } from 'node:fs';
import * as sys from '../../src/sys';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, counter, pair, put } from '../support/fds';
import { pipe } from '../support/files';
import { testWith } from '../support/requires';

expectNoFdLeaks();

const c = sys.constants;
const { errno } = sys;

function openOrNull(path: string): string | null {
  try {
    sys.close(openSync(path, 'r+'));
    return path;
  } catch {
    return null;
  }
}

test('a request without a size fills the buffer: the bytes that wait in a socket', () => {
  const [a, b] = pair();
  put(a, 'twelve bytes');
  const count = new Int32Array(1);
  expect(sys.ioctl(b, c.FIONREAD, count)).toBe(0);
  expect(count[0]).toBe(12);
});

test('every kind of buffer is filled: a part of one, a shared one, a large one', () => {
  const [a, b] = pair();
  put(a, 'xyz');
  const whole = new Uint8Array(32).fill(0xaa);
  expect(sys.ioctl(b, c.FIONREAD, whole.subarray(8, 14))).toBe(0);
  // Four bytes are written, and what is around them stays.
  expect([...whole.subarray(6, 16)]).toEqual([0xaa, 0xaa, 3, 0, 0, 0, 0xaa, 0xaa, 0xaa, 0xaa]);
  const shared = new Int32Array(new SharedArrayBuffer(4));
  expect(sys.ioctl(b, c.FIONREAD, shared)).toBe(0);
  expect(shared[0]).toBe(3);
  const large = new Int32Array(5_000);
  expect(sys.ioctl(b, c.FIONREAD, large)).toBe(0);
  expect(large[0]).toBe(3);
});

test('a request reads the buffer', () => {
  const { reader } = pipe();
  expect(sys.ioctl(reader, c.FIONBIO, Int32Array.of(0))).toBe(0);
  expect(sys.fcntl(reader, c.F_GETFL) & c.O_NONBLOCK).toBe(0);
  expect(sys.ioctl(reader, c.FIONBIO, Int32Array.of(1))).toBe(0);
  expect(sys.fcntl(reader, c.F_GETFL) & c.O_NONBLOCK).toBe(c.O_NONBLOCK);
});

test('a request without an argument', () => {
  const fd = counter();
  expect(sys.ioctl(fd, c.FIONCLEX)).toBe(0);
  expect(sys.fcntl(fd, c.F_GETFD)).toBe(0);
  expect(sys.ioctl(fd, c.FIOCLEX)).toBe(0);
  expect(sys.fcntl(fd, c.F_GETFD)).toBe(c.FD_CLOEXEC);
});

const ptmx = openOrNull('/dev/ptmx');
testWith(ptmx, '/dev/ptmx')('a structure that old requests write and read: a window’s size', () => {
  const fd = closeLater(openSync(ptmx as string, 'r+'));
  const size = new Uint8Array(8);
  expect(sys.ioctl(fd, c.TIOCSWINSZ, Uint8Array.of(24, 0, 80, 0, 1, 0, 2, 0))).toBe(0);
  expect(sys.ioctl(fd, c.TIOCGWINSZ, size)).toBe(0);
  expect([...size]).toEqual([24, 0, 80, 0, 1, 0, 2, 0]);
  // It has 8 bytes; a buffer of 4 gets the first ones, and nothing is written past it.
  const around = new Uint8Array(12).fill(0xaa);
  expect(sys.ioctl(fd, c.TIOCGWINSZ, around.subarray(4, 8))).toBe(0);
  expect([...around]).toEqual([170, 170, 170, 170, 24, 0, 80, 0, 170, 170, 170, 170]);
});

test('its errors: EBADF, ENOTTY, EFAULT', () => {
  expect(sys.ioctl(19_999, c.FIONREAD, new Int32Array(1))).toBe(-errno.EBADF);
  expect(sys.ioctl(counter(), c.TIOCGWINSZ, new Uint8Array(8))).toBe(-errno.ENOTTY);
  // An integer where memory is wanted is no address.
  for (const argument of [-1, 0, 1, 65_535]) {
    expect(sys.ioctl(pipe().reader, c.FIONREAD, argument)).toBe(-errno.EFAULT);
  }
});

describe('the size of the argument', () => {
  test('is read from the request', () => {
    expect(sys.ioctlSize(c.EPIOCSPARAMS)).toBe(8);
    expect(sys.ioctlSize(0x8008_1272)).toBe(8);
    expect(sys.ioctlSize(0x5413)).toBe(0);
    expect(sys.ioctlSize(0xffff_ffff)).toBe(process.arch === 'ppc64' ? 0x1fff : 0x3fff);
  });

  test('a shorter buffer is refused', () => {
    const fd = counter();
    for (const buffer of [new Uint8Array(7), new Uint32Array(1), new Uint8Array(0)]) {
      expect(() => sys.ioctl(fd, c.EPIOCGPARAMS, buffer)).toThrow(/"argument.byteLength"/);
    }
    expect(sys.ioctl(fd, c.EPIOCGPARAMS, new Uint8Array(8))).toBe(-errno.ENOTTY);
    expect(() => sys.ioctl(fd, c.FIONREAD, new Uint8Array(3))).toThrow(/>= 4/);
  });

  test.each([-2, 65_536, 0x40_0000, 2 ** 32, 0.5, Number.NaN])(
    'the integer %p could be an address, or is none, and is refused',
    (argument) => {
      expect(() => sys.ioctl(counter(), c.FIONREAD, argument)).toThrow(/"argument"/);
    },
  );
});
