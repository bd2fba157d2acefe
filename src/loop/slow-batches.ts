/**
 * When those batches of a loop ended that took long.
 *
 * What happens in a batch is stamped with the time at which the batch began, since a look at the
 * clock for each message would cost too much. Where handlers are slow, a stamp may be too early by
 * all of the batch. Who judges by stamps, which is rare, asks here for the latest time that one can
 * stand for.
 */

/** What is no longer than a tick of the timer wheel is no matter for anybody. */
const SLOW_MS = 10;
/**
 * A batch is forgotten when so many times its length have passed: whoever has waited for longer is
 * judged too early by less than this part of it. So there are never more than a few hundred.
 */
const PRECISION = 64;

/** The slow batches of one loop. */
export class SlowBatches {
  #batches: { began: number; ended: number }[] = [];

  /** How many are kept. */
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
