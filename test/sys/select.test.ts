import * as sys from '../../src/sys';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put } from '../support/fds';

expectNoFdLeaks();

const c = sys.constants;
const { errno } = sys;
const NOW = { seconds: 0, microseconds: 0 };

test('leaves in each set what is ready', () => {
  const [a, b] = pair();
  put(a, 'x');
  const read = new sys.FdSet([a, b]);
  const write = new sys.FdSet([a]);
  const except = new sys.FdSet([a, b]);
  expect(sys.select(Math.max(a, b) + 1, read, write, except, NOW)).toBe(2);
  expect([read.has(a), read.has(b)]).toEqual([false, true]);
  expect(write.has(a)).toBe(true);
  expect([except.has(a), except.has(b)]).toEqual([false, false]);
});

test('fds at and past nfds are not looked at', () => {
  const fd = counter(1);
  expect(sys.select(fd, new sys.FdSet([fd]), null, null, NOW)).toBe(0);
  expect(sys.select(fd + 1, new sys.FdSet([fd]), null, null, null)).toBe(1);
});

test('the timeout is kept, and its memory is fresh for each call', () => {
  const timeout = { seconds: 0, microseconds: 1_500 };
  for (let round = 0; round < 3; round += 1) {
    const start = process.hrtime.bigint();
    expect(sys.select(0, null, null, null, timeout)).toBe(0);
    expect(process.hrtime.bigint() - start).toBeGreaterThanOrEqual(1_500_000n);
  }
  expect(timeout).toEqual({ seconds: 0, microseconds: 1_500 });
});

test('an fd that is not open is EBADF, and the sets are as they were', () => {
  const fd = counter(1);
  closeNow(fd);
  const set = new sys.FdSet([fd]);
  expect(sys.select(fd + 1, set, null, null, NOW)).toBe(-errno.EBADF);
  expect(set.has(fd)).toBe(true);
});

test('the largest fd of a set is 1,023, a real one', () => {
  const fd = sys.fcntl(counter(1), c.F_DUPFD_CLOEXEC, 1_023);
  expect(fd).toBe(1_023);
  closeLater(fd);
  const set = new sys.FdSet([fd]);
  expect(sys.select(1_024, set, null, null, NOW)).toBe(1);
  expect(set.has(fd)).toBe(true);
  expect(set.words[31]).toBe(0x8000_0000);
});

test.each([1_024, 1_025, 2 ** 20, 2 ** 31 - 1, -1, 2 ** 32, 0.5, Number.NaN])(
  'the fd %p is a RangeError, and no memory is written',
  (fd) => {
    const set = new sys.FdSet();
    expect(() => set.add(fd)).toThrow(RangeError);
    expect(() => set.remove(fd)).toThrow(RangeError);
    expect(() => set.has(fd)).toThrow(RangeError);
    expect(() => new sys.FdSet([fd])).toThrow(/"fd"/);
    expect([...set.words]).toEqual(new Array(32).fill(0));
  },
);

test.each([-1, 1_025, 2 ** 31, Number.NaN])('nfds of %p is a RangeError', (nfds) => {
  expect(() => sys.select(nfds, new sys.FdSet(), null, null, NOW)).toThrow(/"nfds"/);
});

test('a set adds, removes and clears', () => {
  const set = new sys.FdSet([0, 31, 32, 1_023]);
  expect([...set.words].filter((word) => word !== 0)).toEqual([0x8000_0001, 1, 0x8000_0000]);
  set.remove(31);
  expect([0, 31, 32, 1_023].map((fd) => set.has(fd))).toEqual([true, false, true, true]);
  set.clear();
  expect([0, 31, 32, 1_023].map((fd) => set.has(fd))).toEqual([false, false, false, false]);
});

test('a set whose memory went to another thread is refused', () => {
  const set = new sys.FdSet([0]);
  structuredClone(set.words.buffer, { transfer: [set.words.buffer as ArrayBuffer] });
  expect(() => sys.select(1, set, null, null, NOW)).toThrow(/"readable.words.byteLength"/);
});

test('words that are no FdSet are refused', () => {
  const words = new Uint32Array(32);
  for (const set of [words, { words }, Object.create(sys.FdSet.prototype), undefined]) {
    expect(() => sys.select(1, null, set as sys.FdSet, null, NOW)).toThrow(/"writable"/);
  }
});
