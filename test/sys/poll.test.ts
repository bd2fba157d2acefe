import { openSync } from 'node:fs';
import * as sys from '../../src/sys';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put } from '../support/fds';

expectNoFdLeaks();

const c = sys.constants;
const { errno } = sys;
const NOT_OPEN = 19_999;
const NOW = { seconds: 0, nanoseconds: 0 };

type Entry = readonly [fd: number, events: number];

function listOf(...entries: Entry[]): sys.PollList {
  const list = new sys.PollList(entries.length);
  entries.forEach(([fd, events], index) => {
    list.set(index, fd, events);
  });
  return list;
}

describe.each<[string, (list: sys.PollList) => number]>([
  ['poll', (list) => sys.poll(list.bytes, list.capacity, 0)],
  ['ppoll', (list) => sys.ppoll(list.bytes, list.capacity, NOW)],
  [
    'ppoll with a mask',
    (list) => sys.ppoll(list.bytes, list.capacity, NOW, sys.encodeSignalSet([])),
  ],
])('%s', (_name, poll) => {
  test('returns the events of each fd, and the number of ready ones', () => {
    const [a, b] = pair();
    const list = listOf([a, c.POLLIN | c.POLLOUT], [b, c.POLLIN], [counter(), c.POLLIN]);
    expect(poll(list)).toBe(1);
    expect([0, 1, 2].map((index) => list.revents(index))).toEqual([c.POLLOUT, 0, 0]);
    put(a, 'x');
    expect(poll(list)).toBe(2);
    expect(list.revents(1)).toBe(c.POLLIN);
    expect([list.fd(1), list.events(1)]).toEqual([b, c.POLLIN]);
  });

  test('returns a hang-up that was not asked for', () => {
    const [a, b] = pair();
    closeNow(a);
    const list = listOf([b, 0], [b, c.POLLRDHUP | c.POLLIN]);
    expect(poll(list)).toBe(2);
    expect(list.revents(0)).toBe(c.POLLHUP);
    expect(list.revents(1)).toBe(c.POLLHUP | c.POLLRDHUP | c.POLLIN);
  });

  test('an fd that is not open is POLLNVAL, and a negative one is skipped', () => {
    const list = listOf([NOT_OPEN, c.POLLIN], [-1, c.POLLIN], [-(2 ** 31), c.POLLIN]);
    expect(poll(list)).toBe(1);
    expect([0, 1, 2].map((index) => list.revents(index))).toEqual([c.POLLNVAL, 0, 0]);
  });

  test('a regular file is always ready', () => {
    const list = listOf([closeLater(openSync(__filename, 'r')), c.POLLIN]);
    expect(poll(list)).toBe(1);
  });
});

test('only the first fds are looked at when fewer are asked for', () => {
  const list = listOf([counter(1), c.POLLIN], [counter(1), c.POLLIN]);
  expect(sys.poll(list.bytes, 1, -1)).toBe(1);
  expect([list.revents(0), list.revents(1)]).toEqual([c.POLLIN, 0]);
  expect(sys.poll(list.bytes, 0, 0)).toBe(0);
});

test('the timeout is kept, in milliseconds and in nanoseconds', () => {
  const list = listOf([counter(), c.POLLIN]);
  let start = process.hrtime.bigint();
  expect(sys.poll(list.bytes, 1, 3)).toBe(0);
  expect(process.hrtime.bigint() - start).toBeGreaterThanOrEqual(3_000_000n);
  start = process.hrtime.bigint();
  expect(sys.ppoll(list.bytes, 1, { seconds: 0, nanoseconds: 1_500_000 })).toBe(0);
  expect(process.hrtime.bigint() - start).toBeGreaterThanOrEqual(1_500_000n);
});

test('more fds than the process may have are EINVAL', () => {
  const limit: sys.ResourceLimit = { soft: 0, hard: 0 };
  expect(sys.prlimit(0, c.RLIMIT_NOFILE, null, limit)).toBe(0);
  const list = new sys.PollList(1_025);
  const lower = { soft: 1_024, hard: limit.hard };
  expect(sys.prlimit(0, c.RLIMIT_NOFILE, lower, null)).toBe(0);
  try {
    expect(sys.poll(list.bytes, 1_025, 0)).toBe(-errno.EINVAL);
    expect(sys.poll(list.bytes, 1_024, 0)).toBe(0);
  } finally {
    expect(sys.prlimit(0, c.RLIMIT_NOFILE, limit, null)).toBe(0);
  }
});

describe('PollList', () => {
  test('set clears what the last poll said', () => {
    const fd = counter(1);
    const list = listOf([fd, c.POLLIN]);
    expect(sys.poll(list.bytes, 1, 0)).toBe(1);
    list.set(0, fd, c.POLLIN);
    expect(list.revents(0)).toBe(0);
  });

  test('is empty at first: fds that the kernel skips', () => {
    const list = new sys.PollList(3);
    expect([0, 1, 2].map((index) => list.fd(index))).toEqual([-1, -1, -1]);
    expect(sys.poll(list.bytes, 3, 0)).toBe(0);
  });

  test.each<[string, () => void]>([
    ['"capacity"', () => new sys.PollList(0)],
    ['"capacity"', () => new sys.PollList(65_536)],
    ['"index"', () => new sys.PollList(2).set(2, 0, 0)],
    ['"index"', () => new sys.PollList(2).set(-1, 0, 0)],
    ['"fd"', () => new sys.PollList(2).set(0, 2 ** 31, 0)],
    ['"events"', () => new sys.PollList(2).set(0, 0, 0x1_0000)],
    ['"events"', () => new sys.PollList(2).set(0, 0, -1)],
  ])('refuses a wrong %s', (name, action) => {
    expect(action).toThrow(RangeError);
    expect(action).toThrow(name);
  });
});
