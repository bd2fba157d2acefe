/**
 * The back-off of a socket that cannot accept or receive, because the machine is short of fds or of
 * memory: how long to rest, and when to report the shortage.
 *
 * Each rest is twice as long as the one before, so that the kernel is not asked without end; the first
 * success makes the next rest short again. Of all the failures in one interval one is reported, with
 * the number of clients that were turned away: a storm must not fill a log.
 */
import { errnoText, SystemError } from '../../sys/errno';

/** The first rest: a tick of the timer wheel. */
export const FIRST_REST_MS = 10;
/** The longest rest; a client may wait as long until it is turned away. */
export const MAX_REST_MS = 1_000;
/** For so long after a report there is no other one. */
export const REPORT_INTERVAL_MS = 10_000;

/** The back-off of one socket. */
export class ShortageBackoff {
  #restMs = FIRST_REST_MS;
  #turnedAway = 0;
  #reportedAt = -Infinity;

  /** A call succeeded: the next rest is a short one again. */
  end(): void {
    this.#restMs = FIRST_REST_MS;
  }

  /** The length of the next rest: twice the last one. */
  nextRestMs(): number {
    const restMs = this.#restMs;
    this.#restMs = Math.min(restMs * 2, MAX_REST_MS);
    return restMs;
  }

  /** A client was accepted and closed at once. */
  turnAway(): void {
    this.#turnedAway += 1;
  }

  /** The error to report for the failed call, or null within {@link REPORT_INTERVAL_MS} of the last one. */
  report(syscall: string, outcome: number, fd: number): SystemError | null {
    const now = performance.now();
    if (now - this.#reportedAt < REPORT_INTERVAL_MS) return null;
    this.#reportedAt = now;
    const clients = this.#turnedAway;
    this.#turnedAway = 0;
    const reason = `${errnoText(outcome)}${clients > 0 ? `; clients turned away: ${clients}` : ''}`;
    return new SystemError(syscall, outcome, { fd, reason });
  }
}
