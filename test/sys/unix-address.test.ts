import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeAddress, encodeAddress } from '../../src/sys/address';
import * as c from '../../src/sys/constants';
import { bind, getpeername, getsockname, socket, socketpair } from '../../src/sys/socket';
import { decodeUnixAddress, encodeUnixAddress } from '../../src/sys/unix-address';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater } from '../support/fds';

expectNoFdLeaks();

const LONGEST = 'x'.repeat(107);

test.each(['', '/run/app.sock', 'relative', '/tmp/größe', '\0abstract', '\0a\0b', LONGEST])(
  '%j comes back as it went in',
  (path) => {
    expect(decodeUnixAddress(encodeUnixAddress({ path }))).toEqual({ family: 'unix', path });
  },
);

test('the bytes are those of sockaddr_un', () => {
  expect([...encodeUnixAddress({ path: '/a' })]).toEqual([c.AF_UNIX, 0, 47, 97, 0]);
  expect([...encodeUnixAddress({ path: '\0a' })]).toEqual([c.AF_UNIX, 0, 0, 97]);
  expect([...encodeUnixAddress({ path: '' })]).toEqual([c.AF_UNIX, 0]);
});

test('107 bytes are taken, one more is refused with the name of the argument', () => {
  expect(encodeUnixAddress({ path: LONGEST })).toHaveLength(110);
  expect(encodeUnixAddress({ path: `\0${LONGEST}` })).toHaveLength(110);
  for (const path of [`${LONGEST}x`, `\0${LONGEST}x`, 'é'.repeat(54)]) {
    expect(() => encodeUnixAddress({ path })).toThrow(RangeError);
    expect(() => encodeUnixAddress({ path })).toThrow(/"path".*at most 107 bytes/);
  }
});

test('a path with a NUL in it is refused: the kernel would cut it there', () => {
  expect(() => encodeUnixAddress({ path: '/tmp/a\0b' })).toThrow(RangeError);
  expect(() => encodeUnixAddress({ path: 3 as never })).toThrow(TypeError);
});

describe('names as the kernel returns them', () => {
  const bytes = new Uint8Array(128);
  const nameOf = (fd: number): unknown =>
    decodeUnixAddress(bytes.subarray(0, getsockname(fd, bytes)));
  const bound = (path: string): number => {
    const fd = closeLater(socket(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0));
    expect(bind(fd, encodeUnixAddress({ path }))).toBe(0);
    return fd;
  };

  test('a path, of any length that is allowed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
    try {
      const path = join(folder, 's'.repeat(107 - folder.length - 1));
      expect(path).toHaveLength(107);
      expect(nameOf(bound(path))).toEqual({ family: 'unix', path });
      expect(existsSync(path)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('an abstract name, also the longest', () => {
    for (const end of ['', LONGEST.slice(30)]) {
      const path = `\0epoll-ffi-${process.pid}-${end}`;
      expect(nameOf(bound(path))).toEqual({ family: 'unix', path });
    }
  });

  test('no name, and one that the kernel chose', () => {
    const fds = new Int32Array(2);
    socketpair(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0, fds);
    const [one, other] = [closeLater(fds[0] as number), closeLater(fds[1] as number)];
    expect(nameOf(one)).toEqual({ family: 'unix', path: '' });
    const length = getpeername(other, bytes);
    expect(decodeUnixAddress(bytes.subarray(0, length))).toEqual({ family: 'unix', path: '' });
    expect(nameOf(bound(''))).toEqual({
      family: 'unix',
      path: expect.stringMatching(/^\0[0-9a-f]{5}$/),
    });
  });
});

test('the families are distinguished', () => {
  expect(decodeUnixAddress(encodeAddress({ address: '127.0.0.1', port: 1 }))).toBeNull();
  expect(decodeUnixAddress(new Uint8Array(0))).toBeNull();
  expect(decodeUnixAddress(new Uint8Array(1))).toBeNull();
  expect(decodeAddress(encodeUnixAddress({ path: '/a-path-long-enough-for-ip' }))).toBeNull();
});
