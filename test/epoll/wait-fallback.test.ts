/**
 * Waits where epoll_pwait2(2) is missing. In most tests its wrapper says so, and all other calls
 * are real; in one the kernel itself does.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Epoll } from '../../src/epoll/epoll';
import { EPOLLIN } from '../../src/sys/constants';
import type * as epollCalls from '../../src/sys/epoll';
import { errno } from '../../src/sys/errno';
import { Child } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { counter } from '../support/fds';
import { findProgram } from '../support/programs';
import { testWith } from '../support/requires';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';

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

const strace = findProgram('strace');
testWith(strace, 'strace')('a kernel without it: one try, and no wait is too short', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-strace-'));
  const log = join(folder, 'log');
  try {
    const tracing = ['-f', '-qq', '-o', log, '-e', 'trace=epoll_pwait2'];
    const injection = ['-e', 'inject=epoll_pwait2:error=ENOSYS'];
    const script = [...RUNS_TYPESCRIPT, join(__dirname, 'programs/old-kernel.ts')];
    const child = new Child(strace as string, [
      ...tracing,
      ...injection,
      process.execPath,
      ...script,
    ]);
    expect(await child.exit()).toEqual({ code: 0, signal: null });
    const times: { timeoutMs: number; took: number }[] = JSON.parse(child.stdout);
    expect(times).toHaveLength(3);
    for (const { timeoutMs, took } of times) expect(took).toBeGreaterThanOrEqual(timeoutMs);
    expect(readFileSync(log, 'utf8').match(/ENOSYS .*INJECTED/g)).toHaveLength(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
