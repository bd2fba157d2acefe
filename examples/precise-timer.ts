/**
 * A timer of the kernel beside `setInterval`: the same period for both, while JavaScript is busy from
 * time to time.
 *
 * A timerfd does not drift, has no whole-millisecond steps, and counts its expirations while JavaScript
 * is busy: they are reported in one call, not lost.
 *
 *   run    PERIOD_MS=2.5 TICKS=200 npx ts-node examples/precise-timer.ts
 *   see    for each: the periods that have passed and those that were reported, the time between the
 *          calls, and how late the last one was
 *   end    by itself, after TICKS periods (200 of 2.5 ms if not given)
 */
import { TimerFd } from '../src';

const periodMs = Number(process.env['PERIOD_MS'] ?? 2.5);
const ticks = Number(process.env['TICKS'] ?? 200);
const BUSY_EVERY = 50;

/** Notes the times of its calls. */
class Meter {
  readonly #start = performance.now();
  readonly #gaps: number[] = [];
  #last = this.#start;
  /** Periods reported: more than calls, if one call can report several. */
  periods = 0;

  tick(periods: number): void {
    const now = performance.now();
    this.#gaps.push(now - this.#last);
    this.#last = now;
    this.periods += periods;
  }

  report(name: string): void {
    const gaps = this.#gaps.sort((a, b) => a - b);
    const middle = gaps[Math.floor(gaps.length / 2)] ?? 0;
    const elapsed = this.#last - this.#start;
    const off = elapsed - this.periods * periodMs;
    const passed = Math.floor(elapsed / periodMs);
    console.log(
      `${name}: ${passed} periods passed, ${this.periods} reported in ${gaps.length} calls; ` +
        `${middle.toFixed(2)} ms apart in the middle, ${gaps.at(-1)?.toFixed(2)} at most; ` +
        `at the end ${off.toFixed(2)} ms off`,
    );
  }
}

function busy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

const timer = new TimerFd();
timer.set({ intervalMs: periodMs });
const precise = new Meter();
const interval = setInterval(() => plain.tick(1), periodMs);
const plain = new Meter();

timer.on('timeout', ({ expirations }) => {
  const before = precise.periods;
  precise.tick(expirations);
  if (expirations > 1) console.log(`${expirations} expirations at once`);
  if (precise.periods >= ticks) finish();
  else if (Math.floor(before / BUSY_EVERY) < Math.floor(precise.periods / BUSY_EVERY)) {
    busy(4 * periodMs);
  }
});

function finish(): void {
  timer.close();
  clearInterval(interval);
  precise.report('TimerFd');
  plain.report('setInterval');
}
