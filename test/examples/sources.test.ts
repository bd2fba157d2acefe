/** Runs the examples of event sources as their headers say. */
import { spawn } from 'node:child_process';
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next } from '../support/until';

expectNoFdLeaks();

test('precise-timer: reports every period, several at once after busy times, and ends', async () => {
  const child = runTs('examples/precise-timer.ts', { env: { PERIOD_MS: '1.25', TICKS: '160' } });
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stderr).toBe('');
  expect(child.stdout).toMatch(/^\d+ expirations at once$/m);
  const [, passed, told, calls] =
    /^TimerFd: (\d+) periods passed, (\d+) reported in (\d+) calls;/m.exec(child.stdout) ?? [];
  expect(Number(told)).toBeGreaterThanOrEqual(160);
  expect(Number(calls)).toBeLessThan(Number(told));
  // Nothing is lost: what has passed has been told, but for what ran since.
  expect(Math.abs(Number(passed) - Number(told))).toBeLessThanOrEqual(8);
  expect(child.stdout).toMatch(/^setInterval: \d+ periods passed, \d+ reported/m);
});

test('wait-for-process: prints the end of a process that it did not start', async () => {
  const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
  const child = runTs('examples/wait-for-process.ts', { args: [String(sleeper.pid)] });
  await child.printed(new RegExp(`waiting for process ${sleeper.pid}\n`));
  const ended = next(sleeper, 'close');
  sleeper.kill('SIGTERM');
  await ended;
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toMatch(/has ended after \d+\.\d s: (SIGTERM|unknown)\n$/);

  const late = runTs('examples/wait-for-process.ts', { args: [String(sleeper.pid)] });
  expect(await late.exit()).toEqual({ code: 1, signal: null });
  expect(late.stdout).toBe(`pidfd_open ESRCH: there is no process ${sleeper.pid}\n`);

  const wrong = runTs('examples/wait-for-process.ts');
  expect(await wrong.exit()).toEqual({ code: 1, signal: null });
  expect(wrong.stdout).toMatch(/value of "pid" is out of range/);
});
