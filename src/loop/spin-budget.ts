/**
 * The time for which a loop looks for events before it hands the waiting over.
 *
 * A hand-over and the wake-up after it cost tens of microseconds. So spinning pays if the next
 * event is near, and costs CPU time if it is far. The budget learns which, as the kernel's halt
 * polling does: a wake-up soon after the hand-over doubles the budget (spinning would have caught
 * the event), a late one halves it.
 */

const US_PER_MS = 1_000;
/** Below this the budget is 0. */
const SMALLEST_US = 10;
/** About the cost of a wake-up: it is part of every measured wait, but not of a spin. */
const WAKE_UP_US = 50;

/** The spin budget of one loop. Times are milliseconds of `performance.now()`. */
export class SpinBudget {
  readonly #limitMs: number;
  #budgetMs: number;
  #spinUntil = 0;
  #handedOverAt = 0;

  /** `limitUs` is the longest spin; 0 switches it off. */
  constructor(limitUs: number) {
    this.#limitMs = limitUs / US_PER_MS;
    this.#budgetMs = this.#limitMs;
  }

  /** The present budget in microseconds. */
  get budgetUs(): number {
    return this.#budgetMs * US_PER_MS;
  }

  /** There were events at `now`: a new spin may begin. */
  found(now: number): void {
    this.#spinUntil = now + this.#budgetMs;
  }

  /** Whether to look once more. */
  allows(now: number): boolean {
    return now < this.#spinUntil;
  }

  /** The waiting was handed over. */
  handedOver(now: number): void {
    this.#handedOverAt = now;
  }

  /** The waiter woke the loop. */
  woken(now: number): void {
    const waitedMs = now - this.#handedOverAt;
    if (waitedMs <= this.#limitMs + WAKE_UP_US / US_PER_MS) this.#grow();
    else this.#shrink();
  }

  #grow(): void {
    const doubled = Math.max(this.#budgetMs * 2, SMALLEST_US / US_PER_MS);
    this.#budgetMs = Math.min(doubled, this.#limitMs);
  }

  #shrink(): void {
    const halved = this.#budgetMs / 2;
    this.#budgetMs = halved < SMALLEST_US / US_PER_MS ? 0 : halved;
  }
}
