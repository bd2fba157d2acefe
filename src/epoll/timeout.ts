/**
 * Timeouts in milliseconds, as Node counts them, for the waits of this layer.
 *
 * Valid values: 0, which returns at once; whole numbers and fractions up to 2**31 - 1 (24.8 days,
 * the limit of epoll_wait(2), and so of every kernel); Infinity and -1, which have no end. Every
 * other value is refused, so that no slip (NaN, a negative difference) becomes a wait for ever or a
 * busy loop. A fraction is rounded up to the clock's next unit: no wait is too short.
 */
import { INT32_MAX, invalidType, outOfRange } from '../base/check';
import type { Timespec } from '../sys/timespec';

const MS_PER_SECOND = 1_000;
const NANOSECONDS_PER_MS = 1_000_000;
const NANOSECONDS_PER_SECOND = 1_000_000_000;

/** Throws a TypeError or RangeError for an undefined timeout. */
export function checkTimeout(timeoutMs: unknown): void {
  if (typeof timeoutMs !== 'number') throw invalidType('timeoutMs', 'a number', timeoutMs);
  if (timeoutMs === Infinity || timeoutMs === -1) return;
  if (!(timeoutMs >= 0 && timeoutMs <= INT32_MAX)) {
    throw outOfRange('timeoutMs', `Infinity, -1, or >= 0 and <= ${INT32_MAX}`, timeoutMs);
  }
}

/** For calls that take whole milliseconds: rounded up, -1 for no end. */
export function toWholeMs(timeoutMs: number): number {
  return timeoutMs === Infinity ? -1 : Math.ceil(timeoutMs);
}

/** For calls that take nanoseconds: rounded up, null for no end. */
export function toTimespec(timeoutMs: number): Timespec | null {
  if (timeoutMs === Infinity || timeoutMs === -1) return null;
  const seconds = Math.floor(timeoutMs / MS_PER_SECOND);
  const nanoseconds = Math.ceil((timeoutMs % MS_PER_SECOND) * NANOSECONDS_PER_MS);
  if (nanoseconds < NANOSECONDS_PER_SECOND) return { seconds, nanoseconds };
  return { seconds: seconds + 1, nanoseconds: 0 };
}
