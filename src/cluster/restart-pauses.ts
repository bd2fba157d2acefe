/**
 * When a crashed thread or process is started again: at once the first time, then after pauses that double,
 * and no more after too many crashes in a row. One that has lived long enough has started well, and the count
 * begins anew.
 */

/** How a crash is answered. */
export interface RestartPolicy {
  /** The pause after the second crash in a row; after each further one it doubles. */
  firstPauseMs: number;
  longestPauseMs: number;
  /** Crashes in a row after which nothing is started any more. */
  maxCrashes: number;
  /** A life of this length ends the row of crashes. */
  goodLifeMs: number;
}

/** The crashes of one place. */
export class RestartPauses {
  readonly #policy: RestartPolicy;
  #crashes = 0;

  constructor(policy: RestartPolicy) {
    this.#policy = policy;
  }

  /** Crashes in a row. */
  get crashes(): number {
    return this.#crashes;
  }

  /** It crashed after `livedMs`. Returns the pause in milliseconds, or null for never again. */
  next(livedMs: number): number | null {
    const { firstPauseMs, longestPauseMs, maxCrashes, goodLifeMs } = this.#policy;
    this.#crashes = livedMs >= goodLifeMs ? 1 : this.#crashes + 1;
    if (this.#crashes >= maxCrashes) return null;
    if (this.#crashes === 1) return 0;
    return Math.min(firstPauseMs * 2 ** (this.#crashes - 2), longestPauseMs);
  }
}
