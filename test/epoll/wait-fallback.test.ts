/** Waits where epoll_pwait2(2) is missing: its wrapper says so here, all other calls are real. */
import { Epoll } from '../../src/epoll/epoll';
import { EPOLLIN } from '../../src/sys/constants';
import type * as epollCalls from '../../src/sys/epoll';
import { errno } from '../../src/sys/errno';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { counter } from '../support/fds';

let calls = 0;
let missing = errno.ENOSYS;

jest.mock('../../src/sys/epoll', () => ({
  ...jest.requireActual<typeof epollCalls>('../../src/sys/epoll'),
  epollPwait2: () => {
    calls += 1;
    return -missing;
  },
}));

expectNoFdLeaks();

test.each(['ENOSYS', 'EPERM'] as const)(
  '%s: the wait is rounded up to milliseconds, and the call is not tried again',
  (code) => {
    jest.isolateModules(() => {
      const { Epoll: Fresh } = jest.requireActual<{ Epoll: typeof Epoll }>('../../src/epoll/epoll');
      calls = 0;
      missing = errno[code];
      using epoll = new Fresh();
      for (const timeoutMs of [0.1, 1.2, 2.5]) {
        const start = performance.now();
        expect(epoll.wait({ timeoutMs })).toHaveLength(0);
        expect(performance.now() - start).toBeGreaterThanOrEqual(timeoutMs);
      }
      expect(calls).toBe(1);
      epoll.add(counter(1), EPOLLIN);
      expect(epoll.wait({ timeoutMs: 0.5, signalMask: ['SIGINT'] })).toHaveLength(1);
      expect(calls).toBe(1);
    });
  },
);

test('another error is thrown, and the call is tried again', () => {
  calls = 0;
  missing = errno.EINVAL;
  using epoll = new Epoll();
  for (const expected of [1, 2]) {
    expect(() => epoll.wait({ timeoutMs: 0.5 })).toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    );
    expect(calls).toBe(expected);
  }
});
