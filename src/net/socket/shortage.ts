/**
 * What a socket keeps count of that cannot accept or receive, because the machine is out of fds or
 * memory: how long to rest, and when to say so.
 *
 * The rests grow from one to the next, so that the kernel is not asked without end, and begin anew
 * with the first success. Of all the failures in between one is told, with the
 * number of clients that were turned away: a storm must not fill a log.
 */
import { errnoText, SystemError } from '../../sys/errno';

/** The first rest: a tick of the timer wheel. */
export const FIRST_REST_MS = 10;
/** The longest rest, which is also how long a client may wait until it is turned away. */
export const MAX_REST_MS = 1_000;
/** How long nothing more is told after an error was. */
const REPORT_INTERVAL_MS = 10_000;

/** The state of one socket. */
export class Exhaustion {
  #restMs = FIRST_REST_MS;
  #turnedAway = 0;
  #reportedAt = -Infinity;

  /** A call succeeded: the next rest is a short one again. */
  end(): void {
    this.#restMs = FIRST_REST_MS;
  }

  /** How long to rest now: twice the last time. */
  nextRestMs(): number {
    const restMs = this.#restMs;
    this.#restMs = Math.min(restMs * 2, MAX_REST_MS);
    return restMs;
  }

  /** A client was accepted only to be closed. */
  turnAway(): void {
    this.#turnedAway += 1;
  }

  /** The error to tell of the failed call, or null if one was told not long ago. */
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
