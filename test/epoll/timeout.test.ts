import { Epoll } from '../../src/epoll/epoll';
import { toTimespec, toWholeMs } from '../../src/epoll/timeout';
import * as c from '../../src/sys/constants';
import { encodeSignalSet } from '../../src/sys/signal-set';
import { timerfdCreate, timerfdSettime } from '../../src/sys/timer';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, counter } from '../support/fds';
import { epoll } from './rig';

expectNoFdLeaks();

const NONE = { signalMask: [] };

function waited(options: Parameters<Epoll['wait']>[0]): number {
  const start = process.hrtime.bigint();
  expect(epoll.wait(options)).toHaveLength(0);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

test.each([0.001, 0.25, 1, 1.5, 3.000_001, 7])('a wait of %d ms is not too short', (timeoutMs) => {
  for (let round = 0; round < 5; round += 1) {
    expect(waited({ timeoutMs })).toBeGreaterThanOrEqual(timeoutMs);
    expect(waited({ timeoutMs, ...NONE })).toBeGreaterThanOrEqual(timeoutMs);
  }
});

test('a fraction of a millisecond is not rounded to a whole one', () => {
  // The least of many: what else runs on the machine only makes single waits longer.
  const times = Array.from({ length: 50 }, () => waited({ timeoutMs: 0.1 }));
  expect(Math.min(...times)).toBeLessThan(0.9);
});

test.each([0, -0])('%p does not wait for ever', (timeoutMs) => {
  expect(epoll.wait({ timeoutMs })).toHaveLength(0);
  expect(epoll.wait({ timeoutMs, ...NONE })).toHaveLength(0);
});

test.each([Infinity, -1, undefined, 2 ** 31 - 1, 2 ** 31 - 1.5, 1e-300, 5e-324])(
  '%p is a timeout, and what is ready is returned at once',
  (timeoutMs) => {
    epoll.add(counter(1), c.EPOLLIN);
    const options = timeoutMs === undefined ? {} : { timeoutMs };
    expect(epoll.wait(options)).toHaveLength(1);
    expect(epoll.wait({ ...options, ...NONE })).toHaveLength(1);
  },
);

test.each([Infinity, -1, undefined, 2 ** 31 - 1, 2 ** 31 - 1.5, 20_000])(
  'with a timeout of %p the wait is for the event',
  (timeoutMs) => {
    const timer = closeLater(timerfdCreate(c.CLOCK_MONOTONIC, c.TFD_NONBLOCK | c.TFD_CLOEXEC));
    const never = { seconds: 0, nanoseconds: 0 };
    epoll.add(timer, c.EPOLLIN);
    for (const mask of [{}, NONE]) {
      const start = process.hrtime.bigint();
      const value = { seconds: 0, nanoseconds: 30_000_000 };
      expect(timerfdSettime(timer, 0, { value, interval: never })).toBe(0);
      const options = timeoutMs === undefined ? mask : { timeoutMs, ...mask };
      expect(epoll.wait(options)).toHaveLength(1);
      expect(Number(process.hrtime.bigint() - start) / 1e6).toBeGreaterThanOrEqual(30);
    }
  },
);

test.each([-2, -0.5, -Infinity, Number.NaN, 2 ** 31, 2 ** 31 - 0.5, 2 ** 53])(
  '%p is a RangeError, with and without a mask',
  (timeoutMs) => {
    for (const options of [{ timeoutMs }, { timeoutMs, ...NONE }]) {
      expect(() => epoll.wait(options)).toThrow(RangeError);
      expect(() => epoll.wait(options)).toThrow(/"timeoutMs"/);
    }
  },
);

test.each([null, '5', 5n, true, {}])('%p is a TypeError', (timeoutMs) => {
  expect(() => epoll.wait({ timeoutMs: timeoutMs as number })).toThrow(TypeError);
});

test('a mask that is none is refused', () => {
  const wrong = [null, 'SIGINT', encodeSignalSet([]), ['SIGNOTHING'], [0], [65]];
  for (const signalMask of wrong as string[][]) {
    expect(() => epoll.wait({ timeoutMs: 0, signalMask: signalMask as [] })).toThrow(
      /"signalMask(\[0\])?"/,
    );
  }
});

test('a wait with a mask or a fraction fails like every other', () => {
  epoll.close();
  for (const options of [{ timeoutMs: 0.5 }, NONE, {}]) {
    expect(() => epoll.wait(options)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  }
  const other = Epoll.fromFd(counter());
  expect(() => other.wait({ timeoutMs: 0.5 })).toThrow(
    expect.objectContaining({ code: 'EINVAL', syscall: 'epoll_pwait', fd: other.fd }),
  );
});

test('milliseconds become seconds and nanoseconds, rounded up', () => {
  expect(toTimespec(0)).toEqual({ seconds: 0, nanoseconds: 0 });
  expect(toTimespec(0.000_000_1)).toEqual({ seconds: 0, nanoseconds: 1 });
  expect(toTimespec(0.5)).toEqual({ seconds: 0, nanoseconds: 500_000 });
  expect(toTimespec(1_234.5)).toEqual({ seconds: 1, nanoseconds: 234_500_000 });
  expect(toTimespec(999.999_999_9)).toEqual({ seconds: 1, nanoseconds: 0 });
  expect(toTimespec(2 ** 31 - 1)).toEqual({ seconds: 2_147_483, nanoseconds: 647_000_000 });
  expect([toTimespec(Infinity), toTimespec(-1)]).toEqual([null, null]);
  expect([Infinity, -1, 0, 0.1, 2.5, 3].map(toWholeMs)).toEqual([-1, -1, 0, 1, 3, 3]);
});
