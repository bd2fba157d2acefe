import { errno } from '../../../src/sys/errno';
import {
  TimerFd,
  type TimerFdOptions,
  type TimerSchedule,
} from '../../../src/watch/sources/timer-fd';
import { Child, runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const timers: TimerFd[] = [];
afterEach(() => {
  for (const timer of timers.splice(0)) timer.close();
});

function timerFd(options: TimerFdOptions = {}): TimerFd {
  const timer = new TimerFd(options);
  timers.push(timer);
  return timer;
}

const ONCE = [{ expirations: 1, clockChanged: false }];

function busy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('firing', () => {
  test('once after a delay, and not before', async () => {
    const start = performance.now();
    const timer = timerFd({ delayMs: 20.5 });
    expect(await next(timer, 'timeout')).toEqual(ONCE);
    expect(performance.now() - start).toBeGreaterThanOrEqual(20);
    expect(timer.remaining).toEqual({ delayMs: 0, intervalMs: 0 });
  });

  test('at once for a delay of 0, which would disarm the timer in C', async () => {
    expect(await next(timerFd({ delayMs: 0 }), 'timeout')).toEqual(ONCE);
  });

  test('again and again with an interval, the first time after it', async () => {
    const timer = timerFd({ intervalMs: 5 });
    const start = performance.now();
    let expirations = 0;
    timer.on('timeout', (expiry) => {
      expirations += expiry.expirations;
    });
    await until(() => expirations >= 4);
    expect(performance.now() - start).toBeGreaterThanOrEqual(19);
  });

  test('with a delay and an interval', async () => {
    const timer = timerFd({ delayMs: 0, intervalMs: 60_000 });
    expect(await next(timer, 'timeout')).toEqual(ONCE);
    const { delayMs, intervalMs } = timer.remaining;
    expect(intervalMs).toBe(60_000);
    expect(delayMs).toBeGreaterThan(50_000);
  });

  test('expirations are counted while JavaScript is busy', async () => {
    const timer = timerFd({ intervalMs: 1 });
    await next(timer, 'timeout');
    busy(20);
    const [expiry] = await next<[{ expirations: number }]>(timer, 'timeout');
    expect(expiry.expirations).toBeGreaterThanOrEqual(18);
  });

  test('as records of an iterator', async () => {
    let steps = 0;
    for await (const { expirations } of timerFd({ intervalMs: 2 })) {
      expect(expirations).toBeGreaterThanOrEqual(1);
      steps += 1;
      if (steps === 3) break;
    }
    expect(timers[0]?.closed).toBe(true);
  });
});

describe('absolute times', () => {
  test('a Date of the wall clock', async () => {
    const at = new Date(Date.now() + 15);
    const timer = timerFd({ clock: 'realtime', at });
    await next(timer, 'timeout');
    expect(timer.now()).toBeGreaterThanOrEqual(at.getTime());
    const before = Date.now();
    const now = Math.floor(timer.now());
    expect([before <= now, now <= Date.now()]).toEqual([true, true]);
  });

  test.each(['monotonic', 'boottime', 'realtime'] as const)(
    'milliseconds on the clock %s',
    async (clock) => {
      const timer = timerFd({ clock });
      const at = timer.now() + 10.25;
      timer.set({ at });
      expect(timer.clock).toBe(clock);
      expect(timer.remaining.delayMs).toBeLessThanOrEqual(10.25);
      await next(timer, 'timeout');
      expect(timer.now()).toBeGreaterThanOrEqual(at);
    },
  );

  test.each([0, 1])('what is past fires at once: %p', async (at) => {
    expect(await next(timerFd({ clock: 'realtime', at }), 'timeout')).toEqual(ONCE);
  });

  test('may be followed by an interval, and the times missed are counted', async () => {
    const timer = timerFd();
    timer.set({ at: timer.now() - 1_000, intervalMs: 100 });
    const [{ expirations }] = await next<[{ expirations: number }]>(timer, 'timeout');
    expect(expirations).toBeGreaterThanOrEqual(10);
  });

  const strace = findProgram('strace');
  testWith(strace, 'strace')(
    'a change of the clock is emitted as such, and the timer goes on',
    async () => {
      // The clock of the machine is not ours to set: strace gives the answer the kernel would.
      const inject = ['-f', '-qq', '-e', 'trace=read', '-P', 'anon_inode:[timerfd]'];
      const answer = ['-e', 'inject=read:error=ECANCELED:when=1', '-o', '/dev/null'];
      const node = [process.execPath, ...RUNS_TYPESCRIPT];
      const script = 'test/watch/programs/timer-clock-set.ts';
      const child = new Child(strace as string, [...inject, ...answer, ...node, script]);
      expect(await child.exit()).toEqual({ code: 0, signal: null });
      expect(JSON.parse(child.stdout)).toEqual([
        { expirations: 0, clockChanged: true },
        { expirations: 1, clockChanged: false },
      ]);
    },
  );

  test('cancelOnSet is taken for times of the wall clock alone', () => {
    const at = Date.now() + 60_000;
    expect(timerFd({ clock: 'realtime', at, cancelOnSet: true }).remaining.delayMs).toBeGreaterThan(
      50_000,
    );
    for (const options of [
      { at, cancelOnSet: true },
      { delayMs: 1, cancelOnSet: true },
    ]) {
      expect(() => timerFd(options)).toThrow(/"cancelOnSet" argument must be given with at/);
    }
  });
});

describe('set, clear, remaining', () => {
  test('a timer made without a time is disarmed until it is set', async () => {
    const timer = timerFd();
    expect(timer.remaining).toEqual({ delayMs: 0, intervalMs: 0 });
    expect(timer.set({ delayMs: 1 })).toBe(timer);
    expect(await next(timer, 'timeout')).toEqual(ONCE);
  });

  test('set replaces what was set, and forgets what has expired', async () => {
    const timer = timerFd({ delayMs: 0 });
    busy(2);
    const start = performance.now();
    timer.set({ delayMs: 15 });
    await next(timer, 'timeout');
    expect(performance.now() - start).toBeGreaterThanOrEqual(14.9);
  });

  test('clear disarms, and forgets what has expired', async () => {
    const timer = timerFd({ delayMs: 0, intervalMs: 1 });
    const heard = jest.fn();
    busy(5);
    timer.clear();
    timer.on('timeout', heard);
    expect(timer.remaining).toEqual({ delayMs: 0, intervalMs: 0 });
    await next(timerFd({ delayMs: 20 }), 'timeout');
    expect(heard).not.toHaveBeenCalled();
  });

  test.each([0.000_001, 0.25, 1.000_001, 999.999_999, 1_000, 86_400_000.5, 4e12])(
    'an interval of %p ms is kept to the nanosecond',
    (intervalMs) => {
      const timer = timerFd({ delayMs: 60_000, intervalMs });
      expect(Math.abs(timer.remaining.intervalMs - intervalMs)).toBeLessThan(
        Math.max(1e-6, intervalMs * 1e-15),
      );
    },
  );

  test('less than a nanosecond is one, not none', () => {
    expect(timerFd({ delayMs: 60_000, intervalMs: 1e-9 }).remaining.intervalMs).toBe(1e-6);
  });

  test('after close they are refused', () => {
    const timer = timerFd();
    timer.close();
    const closed = expect.objectContaining({ code: 'ERR_SOURCE_CLOSED' });
    expect(() => timer.set({ delayMs: 1 })).toThrow(closed);
    expect(() => timer.clear()).toThrow(closed);
    expect(() => timer.remaining).toThrow(closed);
  });
});

describe('what is refused', () => {
  test.each([
    [{ delayMs: -1 }, 'delayMs'],
    [{ delayMs: Number.NaN }, 'delayMs'],
    [{ delayMs: Infinity }, 'delayMs'],
    [{ delayMs: '5' }, 'delayMs'],
    [{ intervalMs: -1 }, 'intervalMs'],
    [{ at: 'tomorrow' }, 'at'],
    [{ at: new Date(Number.NaN) }, 'at'],
    [{ at: new Date(), delayMs: 5 }, 'at'],
    [{ at: new Date() }, 'at'],
    [{ delay: 5 }, 'delay'],
    ['5', 'TimerFd'],
  ])('%p', (schedule, name) => {
    const refused = expect.objectContaining({
      name: 'TypeError',
      message: expect.stringContaining(name),
    });
    expect(() => timerFd(schedule as TimerFdOptions)).toThrow(refused);
    const timer = timerFd();
    expect(() => timer.set(schedule as TimerSchedule)).toThrow(refused);
  });

  test('set without a time, and a clock that does not exist', () => {
    expect(() => timerFd().set({})).toThrow(/with delayMs, at or intervalMs/);
    expect(() => timerFd({ clock: 'sundial' as never })).toThrow(/option "clock" of TimerFd/);
  });

  test('an alarm clock without the capability, with the reason', async () => {
    const child = runTs('test/watch/programs/timer-alarm.ts');
    expect(await child.exit()).toEqual({ code: 0, signal: null });
    for (const clock of ['realtime-alarm', 'boottime-alarm']) {
      expect(child.stdout).toMatch(
        `EPERM ${-errno.EPERM} timerfd_create EPERM: the clock ${clock} wakes the machine, which needs CAP_WAKE_ALARM`,
      );
    }
  });
});
