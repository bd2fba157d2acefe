/**
 * When the bytes that the kernel holds for a peer last moved, as far as looks at it show. No I/O and
 * no clock: a look brings both. Three numbers for a connection, at its slot, in memory that is made
 * at the first look.
 */

const COLUMNS = 3;
/** The bytes that were delivered at the last look. */
const MARK = 0;
/** When it was found to have changed. */
const MOVED = 1;
/** When the last look was; 0 for none. */
const LOOKED = 2;

/** A limit is looked at so many times before it can pass: no connection is cut later than 1/4 after it. */
export const LOOKS_PER_LIMIT = 4;

/** The progress of one loop's connections. */
export class DeliveryProgress {
  #rows = new Float64Array(0);

  /**
   * At `now` the peer of `slot` had got `delivered` bytes, counted from anywhere. Returns when they
   * were last found to move; the first look finds that.
   */
  look(slot: number, { delivered, now }: { delivered: number; now: number }): number {
    const row = this.#row(slot);
    if (this.#rows[row + LOOKED] === 0 || this.#rows[row + MARK] !== delivered) {
      this.#rows[row + MARK] = delivered;
      this.#rows[row + MOVED] = now;
    }
    this.#rows[row + LOOKED] = now;
    return this.#rows[row + MOVED] as number;
  }

  /** When the last look was; 0 for none. */
  lookedAt(slot: number): number {
    return this.#rows[slot * COLUMNS + LOOKED] ?? 0;
  }

  /** `slot` is another connection's from now on. */
  forget(slot: number): void {
    const row = slot * COLUMNS;
    if (row < this.#rows.length) this.#rows.fill(0, row, row + COLUMNS);
  }

  /** Where the row of `slot` begins. Memory for it is there after this. */
  #row(slot: number): number {
    const count = this.#rows.length / COLUMNS;
    if (slot >= count) {
      const rows = new Float64Array(Math.max(slot + 1, Math.ceil(count * 1.5)) * COLUMNS);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    return slot * COLUMNS;
  }
}
