/** Chance that can be repeated: the same seed gives the same numbers (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  /** True once in `times`, on average. */
  onceIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** One of a set; undefined if it is empty. */
  pick<T>(set: ReadonlySet<T>): T | undefined {
    let index = set.size === 0 ? 0 : this.below(set.size);
    for (const value of set) {
      if (index === 0) return value;
      index -= 1;
    }
    return undefined;
  }
}
