import * as sys from '../../src/sys';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { pair, take } from '../support/fds';
import { memoryFile, textOf } from '../support/files';

expectNoFdLeaks();

const { errno, IOV_MAX, writev } = sys;

/** A small array lies in V8's own heap until somebody asks for its memory. */
const small = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

test('the bytes of all buffers, one after the other, of whatever kind they are', () => {
  const file = memoryFile();
  const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 3);
  shared.set(Buffer.from('mem'));
  const parts = [
    Buffer.from('pool '),
    small('small '),
    Buffer.from('0123456789').subarray(3, 6),
    new Uint8Array(0),
    shared,
    Buffer.alloc(5, '!'),
  ];
  expect(writev(file, parts)).toBe(22);
  expect(textOf(file)).toBe('pool small 345mem!!!!!');
});

test('only the first so many, and none', () => {
  const file = memoryFile();
  expect(writev(file, [Buffer.from('a'), Buffer.from('b'), Buffer.from('c')], 2)).toBe(2);
  expect(writev(file, [], 0)).toBe(0);
  expect(writev(file, [new Uint8Array(0)])).toBe(0);
  expect(textOf(file)).toBe('ab');
});

test('as many as the kernel takes, and not one more', () => {
  const file = memoryFile();
  const parts = Array.from({ length: IOV_MAX + 1 }, (_, index) => Buffer.from(`${index} `));
  expect(writev(file, parts, IOV_MAX)).toBe(Buffer.concat(parts.slice(0, IOV_MAX)).length);
  expect(textOf(file)).toBe(parts.slice(0, IOV_MAX).join(''));
  expect(() => writev(file, parts)).toThrow(/"count" is out of range/);
});

test('addresses survive a garbage collection', () => {
  const file = memoryFile();
  let expected = '';
  for (let round = 0; round < 200; round += 1) {
    const parts = Array.from({ length: 100 }, (_, index) => small(`${round}.${index} `));
    expected += parts.map((part) => Buffer.from(part).toString()).join('');
    // Garbage enough for several collections.
    for (let count = 0; count < 100; count += 1) new Array(1_000).fill(round);
    expect(writev(file, parts)).toBeGreaterThan(0);
  }
  expect(textOf(file)).toBe(expected);
});

test('a full socket takes a part, which may end in the middle of a buffer', () => {
  const [a, b] = pair();
  const chunk = Buffer.alloc(50_000, 'x');
  const parts = new Array<Buffer>(100).fill(chunk);
  const taken = writev(a, parts);
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(5_000_000);
  let more = taken;
  while (more >= 0) more = writev(a, parts);
  expect(more).toBe(-errno.EAGAIN);
  expect(take(b)).toMatch(/^x+$/);
});

test('a socket without a reader, and an fd that is not open', () => {
  const [a, b] = pair();
  sys.shutdown(b, sys.constants.SHUT_RD);
  expect(writev(a, [Buffer.from('x')])).toBe(-errno.EPIPE);
  expect(writev(19_999, [Buffer.from('x')])).toBe(-errno.EBADF);
});

test('what is no list of buffers is refused by its name', () => {
  const file = memoryFile();
  const ok = Buffer.from('x');
  expect(() => writev(-1, [ok])).toThrow(/"fd"/);
  expect(() => writev(file, ok as never)).toThrow(/"buffers" argument must be an array/);
  expect(() => writev(file, [ok, 'x' as never])).toThrow(/"buffers\[1\]"/);
  expect(() => writev(file, [ok], 2)).toThrow(/"count"/);
  expect(() => writev(file, [ok], Number.NaN)).toThrow(/"count"/);
  expect(textOf(file)).toBe('');
});
