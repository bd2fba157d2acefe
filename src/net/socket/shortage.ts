/**
 * The counts of a socket that cannot accept or receive because the machine is out of fds or memory:
 * how long to rest, and when to report it.
 *
 * Each rest is longer than the one before, so that the kernel is not asked without end, and the
 * first success starts again from the shortest. Of all failures in between, one is reported, with
 * the number of clients that were turned away: a storm must not fill a log.
 */
import { errnoText, SystemError } from '../../sys/errno';

/** The first rest: a tick of the timer wheel. */
export const FIRST_REST_MS = 10;
/** The longest rest; a client may wait as long until it is turned away. */
export const MAX_REST_MS = 1_000;
/** The time after an error in which no other one is reported. */
export const REPORT_INTERVAL_MS = 10_000;

/** The state of one socket. */
export class Exhaustion {
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

  /** The error to report for the failed call, or null if one was reported not long ago. */
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
