/**
 * The slots that one wait of a shared set brought. The accessors read arrays and allocate nothing;
 * iteration makes one small object a slot. The list is overwritten by the next wait.
 */
import { checkInteger } from '../../base/check';

/** One slot as iteration shows it. */
export interface ReadySlot {
  /** The slot number. */
  readonly slot: number;
  /** The mask of what is ready: EPOLLIN, EPOLLHUP and so on, unsigned. */
  readonly events: number;
}

/** A reusable list of slots. */
export class ReadySlots implements Iterable<ReadySlot> {
  readonly #slots: Int32Array;
  readonly #events: Uint32Array;
  #length = 0;

  /** Room for `capacity` slots. */
  constructor(capacity: number) {
    checkInteger('capacity', capacity, 1, 0xffff);
    this.#slots = new Int32Array(capacity);
    this.#events = new Uint32Array(capacity);
  }

  /** How many slots the last wait brought. */
  get length(): number {
    return this.#length;
  }

  /** The number of slot `index` of the list. */
  slot(index: number): number {
    this.#check(index);
    return this.#slots[index] as number;
  }

  /** The events that are ready in it. */
  events(index: number): number {
    this.#check(index);
    return this.#events[index] as number;
  }

  /** Empty the list. @internal */
  clear(): void {
    this.#length = 0;
  }

  /** Add one, for which there is room. @internal */
  push(slot: number, events: number): void {
    this.#check(this.#length, this.#slots.length);
    this.#slots[this.#length] = slot;
    this.#events[this.#length] = events;
    this.#length += 1;
  }

  /** Iterates over the slots: `for (const { slot, events } of set.wait())`. */
  *[Symbol.iterator](): Generator<ReadySlot> {
    for (let index = 0; index < this.#length; index += 1) {
      yield { slot: this.slot(index), events: this.events(index) };
    }
  }

  #check(index: number, limit = this.#length): void {
    if (typeof index !== 'number' || index >>> 0 !== index || index >= limit) {
      checkInteger('index', index, 0, limit - 1);
    }
  }
}
