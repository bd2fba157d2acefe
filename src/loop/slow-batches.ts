/**
 * The end times of a loop's slow batches.
 *
 * Events are stamped with the start of their batch, because a clock call per message would cost too
 * much. If handlers are slow, a stamp may be too early by the length of the batch. The rare code
 * that judges by stamps asks here for the upper bound.
 */

/** Shorter batches do not matter: this is one tick of the timer wheel. */
const SLOW_MS = 10;
/**
 * A batch is forgotten after so many times its length. A peer that has waited for longer is then
 * judged too early by less than this part of its wait. So at most a few hundred are kept.
 */
const PRECISION = 64;

/** The slow batches of one loop. */
export class SlowBatches {
  #batches: { began: number; ended: number }[] = [];

  /** The number of batches kept. */
  get size(): number {
    return this.#batches.length;
  }

  /** A batch with the stamp `began` ended at `now`, in milliseconds of `performance.now()`. */
  note(began: number, now: number): void {
    if (now - began < SLOW_MS) return;
    this.#batches = this.#batches.filter(
      (batch) => now - batch.ended <= (batch.ended - batch.began) * PRECISION,
    );
    this.#batches.push({ began, ended: now });
  }

  /** The end of the batch with this stamp; the stamp itself if the batch was short. */
  endOf(stamp: number): number {
    return this.#batches.findLast(({ began }) => began === stamp)?.ended ?? stamp;
  }
}
