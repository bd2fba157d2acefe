import { openSync } from 'node:fs';
import { pollFds, selectFds } from '../../src/epoll/poll';
import * as c from '../../src/sys/constants';
import { fcntl } from '../../src/sys/io';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put } from '../support/fds';

expectNoFdLeaks();

function took(action: () => void): number {
  const start = process.hrtime.bigint();
  action();
  return Number(process.hrtime.bigint() - start) / 1e6;
}

describe('pollFds', () => {
  test('returns the fds that are ready, in order, with what they are ready for', () => {
    const [a, b] = pair();
    const idle = counter();
    const file = closeLater(openSync(__filename, 'r'));
    put(a, 'x');
    const interests = [
      { fd: idle, events: c.POLLIN },
      { fd: b, events: c.POLLIN | c.POLLOUT },
      { fd: file, events: c.POLLIN },
      { fd: a, events: c.POLLIN },
    ];
    expect(pollFds(interests, { timeoutMs: 0 })).toEqual([
      { fd: b, events: c.POLLIN | c.POLLOUT },
      { fd: file, events: c.POLLIN },
    ]);
    expect(pollFds(interests)).toHaveLength(2);
  });

  test('a hang-up and a closed fd are reported', () => {
    const [a, b] = pair();
    const gone = counter();
    closeNow(a);
    closeNow(gone);
    expect(
      pollFds([
        { fd: b, events: 0 },
        { fd: gone, events: c.POLLIN },
      ]),
    ).toEqual([
      { fd: b, events: c.POLLHUP },
      { fd: gone, events: c.POLLNVAL },
    ]);
  });

  test('is empty at the timeout, which is never too short', () => {
    const interests = [{ fd: counter(), events: c.POLLIN }];
    for (const timeoutMs of [0, 0.3, 2, 2.7]) {
      const wait = (): void => expect(pollFds(interests, { timeoutMs })).toEqual([]);
      expect(took(wait)).toBeGreaterThanOrEqual(timeoutMs);
    }
    expect(pollFds([], { timeoutMs: 0.1 })).toEqual([]);
  });

  test('wrong arguments are refused, with their names', () => {
    expect(() => pollFds('0' as never)).toThrow(/"interests"/);
    expect(() => pollFds([{ fd: -1, events: 0 }])).toThrow(/fd"/);
    expect(() => pollFds([{ fd: 0, events: 2 ** 16 }])).toThrow(/"events"/);
    for (const timeoutMs of [Number.NaN, -2, 2 ** 31]) {
      expect(() => pollFds([], { timeoutMs })).toThrow(/"timeoutMs"/);
      expect(() => selectFds({ timeoutMs })).toThrow(/"timeoutMs"/);
    }
    expect(() => pollFds([], { timeoutMs: 0, signalMask: [0] })).toThrow(/"signalMask\[0\]"/);
  });
});

describe('selectFds', () => {
  test('returns of each list what is ready, in order', () => {
    const [a, b] = pair();
    put(a, 'x');
    expect(selectFds({ readable: [b, a], writable: [b, a], timeoutMs: 0 })).toEqual({
      readable: [b],
      writable: [b, a],
      exceptional: [],
    });
    expect(selectFds({ readable: [b] }).readable).toEqual([b]);
  });

  test('is empty at the timeout, which is never too short', () => {
    const fd = counter();
    for (const timeoutMs of [0, 0.000_1, 0.3, 2.7]) {
      const wait = (): void =>
        expect(selectFds({ readable: [fd], exceptional: [fd], timeoutMs })).toEqual({
          readable: [],
          writable: [],
          exceptional: [],
        });
      expect(took(wait)).toBeGreaterThanOrEqual(timeoutMs);
    }
    expect(selectFds({ timeoutMs: 0 }).readable).toEqual([]);
  });

  test('an fd of 1,024 or more is a RangeError, also a real one', () => {
    const fd = closeLater(fcntl(counter(1), c.F_DUPFD_CLOEXEC, 1_024));
    expect(fd).toBeGreaterThanOrEqual(1_024);
    for (const list of ['readable', 'writable', 'exceptional']) {
      expect(() => selectFds({ [list]: [fd], timeoutMs: 0 })).toThrow(RangeError);
    }
    expect(pollFds([{ fd, events: c.POLLIN }])).toHaveLength(1);
  });

  test('a closed fd is an error: EBADF', () => {
    const gone = counter();
    closeNow(gone);
    expect(() => selectFds({ writable: [gone] })).toThrow(
      expect.objectContaining({ code: 'EBADF', syscall: 'select' }),
    );
  });
});
