/**
 * The storage of a timer wheel: linked lists of timers, in typed arrays.
 *
 * A timer is a small integer, its index. Under it the arrays have its neighbours in the list, its
 * due tick and its owner. Only the owner's `timerIndex` stores the index, and only this file writes
 * it. So it is never stale, and timers may get other indices when the arrays grow and shrink.
 * Twenty thousand timers are four arrays, and the collector follows only the owners, which exist
 * anyway.
 */
import { wrongValue } from '../base/errors';

/** The `timerIndex` of an owner that is not scheduled. Not the index of any timer. */
export const UNSCHEDULED = 0;

/** An object with one deadline in one wheel, which calls it when the deadline has passed. */
export interface TimerEntry {
  /** {@link UNSCHEDULED} at first. The wheel maintains it; do not write to it. */
  timerIndex: number;
  onTimer(): void;
}

const FIRST_CAPACITY = 64;

/** Lists of timers. List `n` begins and ends at node `n`; the timers are the nodes behind these. */
export class TimerLists {
  readonly #lists: number;
  #capacity = 0;
  #size = 0;
  #next = new Int32Array(0);
  #previous = new Int32Array(0);
  #dueTicks = new Float64Array(0);
  #owners: (TimerEntry | null)[] = [];
  /** The first of the free nodes, which are linked by `#next`; 0 if there is none. */
  #free = 0;

  /** `lists`: the number of lists. */
  constructor(lists: number) {
    this.#lists = lists;
    for (let list = 0; list < lists; list += 1) this.#owners.push(null);
    this.#next = Int32Array.from({ length: lists }, (_, list) => list);
    this.#previous = this.#next.slice();
    this.#resize(FIRST_CAPACITY);
  }

  /** The number of timers. */
  get size(): number {
    return this.#size;
  }

  /** The capacity in timers; it doubles when full, and shrinks again when mostly empty. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The timer of `owner`; {@link UNSCHEDULED} if there is none. */
  indexOf(owner: TimerEntry): number {
    const index = owner.timerIndex;
    return this.#owners[index] === owner ? index : UNSCHEDULED;
  }

  /** The first timer of `list`; {@link UNSCHEDULED} if it is empty. */
  first(list: number): number {
    const index = this.#next[list] as number;
    return index === list ? UNSCHEDULED : index;
  }

  dueTick(index: number): number {
    return this.#dueTicks[index] as number;
  }

  setDueTick(index: number, dueTick: number): void {
    this.#dueTicks[index] = dueTick;
  }

  /** Make a timer for `owner`, in no list yet: {@link move} it into one. Returns its index. */
  add(owner: TimerEntry): number {
    if (owner.timerIndex !== UNSCHEDULED) {
      throw wrongValue('timerIndex was written to, or the timer belongs to another wheel');
    }
    if (this.#free === 0) this.#resize(this.#capacity * 2);
    const index = this.#free;
    this.#free = this.#next[index] as number;
    this.#next[index] = index;
    this.#previous[index] = index;
    this.#owners[index] = owner;
    this.#size += 1;
    owner.timerIndex = index;
    return index;
  }

  /** Take a timer out of its list and put it at the end of `list`. */
  move(index: number, list: number): void {
    this.#unlink(index);
    this.#append(index, list);
  }

  /** Forget a timer. Indices from before are invalid now. Returns its owner. */
  remove(index: number): TimerEntry {
    const owner = this.#owners[index] as TimerEntry;
    this.#unlink(index);
    this.#owners[index] = null;
    this.#next[index] = this.#free;
    this.#free = index;
    this.#size -= 1;
    owner.timerIndex = UNSCHEDULED;
    if (this.#capacity > FIRST_CAPACITY && this.#size * 8 < this.#capacity) {
      this.#resize(Math.max(this.#capacity / 4, FIRST_CAPACITY));
    }
    return owner;
  }

  #unlink(index: number): void {
    const next = this.#next[index] as number;
    const previous = this.#previous[index] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  #append(index: number, list: number): void {
    const last = this.#previous[list] as number;
    this.#next[last] = index;
    this.#previous[index] = last;
    this.#next[index] = list;
    this.#previous[list] = index;
  }

  /** New arrays for `capacity` timers. Each list keeps its timers and their order. */
  #resize(capacity: number): void {
    const length = this.#lists + capacity;
    const oldNext = this.#next;
    const oldDueTicks = this.#dueTicks;
    const oldOwners = this.#owners;
    this.#next = new Int32Array(length);
    this.#previous = new Int32Array(length);
    this.#dueTicks = new Float64Array(length);
    this.#owners = new Array<TimerEntry | null>(length).fill(null);
    this.#capacity = capacity;
    let index = this.#lists;
    for (let list = 0; list < this.#lists; list += 1) {
      this.#next[list] = list;
      this.#previous[list] = list;
      for (let old = oldNext[list] as number; old !== list; old = oldNext[old] as number) {
        const owner = oldOwners[old] as TimerEntry;
        owner.timerIndex = index;
        this.#owners[index] = owner;
        this.#dueTicks[index] = oldDueTicks[old] as number;
        this.#append(index, list);
        index += 1;
      }
    }
    this.#free = index;
    for (let free = index; free < length; free += 1) {
      this.#next[free] = free + 1 < length ? free + 1 : 0;
    }
  }
}
