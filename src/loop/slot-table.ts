/**
 * Everything one loop has registered, by slot and by fd.
 *
 * An event carries a slot and the slot's generation. A slot that is emptied gets a new generation,
 * so an event fetched for its former holder (the fd was closed earlier in the same batch, its
 * number perhaps taken by a new connection) finds nobody.
 *
 * What dispatch reads is kept in typed arrays beside the handlers, not in an object per fd: with a
 * thousand busy connections every further object is a cache miss per event.
 */
import type { EventData } from '../epoll/epoll';
import type { EventHandler } from './registration';

/** A taken slot. */
export interface Slot {
  fd: number;
  events: number;
  handler: EventHandler;
}

const FIRST_CAPACITY = 64;

/** The slots of one loop. */
export class SlotTable {
  readonly #handlers: (EventHandler | undefined)[] = [];
  readonly #free: number[] = [];
  /** Slot of each fd, plus one; 0 for none. */
  #slotOfFd = new Uint32Array(FIRST_CAPACITY);
  #fds = new Int32Array(FIRST_CAPACITY);
  #generations = new Uint32Array(FIRST_CAPACITY);
  #masks = new Uint32Array(FIRST_CAPACITY);
  /** Events that wait on the ready list; 0 if the slot is not on it. */
  #pending = new Uint32Array(FIRST_CAPACITY);
  /** 1 for a one-shot that has fired and was not re-armed. */
  #spent = new Uint8Array(FIRST_CAPACITY);
  /** 1 for what holds the process, as an open socket does. */
  #held = new Uint8Array(FIRST_CAPACITY);
  #size = 0;
  #heldCount = 0;

  /** How many fds are registered. */
  get size(): number {
    return this.#size;
  }

  /** How many of them hold the process. */
  get held(): number {
    return this.#heldCount;
  }

  /** Take a slot, not yet known by its fd: the kernel may still refuse. */
  take({ fd, events, handler }: Slot): EventData {
    const low = this.#free.pop() ?? this.#handlers.length;
    if (low >= this.#fds.length) this.#growSlots();
    this.#handlers[low] = handler;
    this.#fds[low] = fd;
    this.#masks[low] = events;
    this.#pending[low] = 0;
    this.#spent[low] = 0;
    this.#held[low] = 1;
    this.#size += 1;
    this.#heldCount += 1;
    return { low, high: this.#generations[low] as number };
  }

  /**
   * The kernel accepted the fd of this slot. If another slot has the same fd number, that fd was
   * closed behind our back; the other slot is released and what it held returned.
   */
  confirm({ low }: EventData): Slot | null {
    const fd = this.#fds[low] as number;
    if (fd >= this.#slotOfFd.length) this.#slotOfFd = grown(this.#slotOfFd, fd + 1);
    const former = (this.#slotOfFd[fd] as number) - 1;
    this.#slotOfFd[fd] = low + 1;
    if (former < 0) return null;
    const slot = this.#slot(former);
    this.#release(former);
    return slot;
  }

  /** Empty a slot; events already fetched for it find nobody. Returns whether it was taken. */
  release(data: EventData): boolean {
    if (!this.has(data)) return false;
    this.#release(data.low);
    return true;
  }

  /** Whether the slot is still the one that was taken. */
  has({ low, high }: EventData): boolean {
    return this.#generations[low] === high && this.#handlers[low] !== undefined;
  }

  /**
   * The handler of an event, or undefined if its registration is gone. Notes that a one-shot has
   * fired.
   */
  dispatch(low: number, high: number): EventHandler | undefined {
    if (this.#generations[low] !== high) return undefined;
    this.#spent[low] = ((this.#masks[low] as number) >>> ONESHOT_BIT) & 1;
    return this.#handlers[low];
  }

  events({ low }: EventData): number {
    return this.#masks[low] as number;
  }

  /** The kernel was given a new mask. */
  setEvents({ low }: EventData, events: number): void {
    this.#masks[low] = events;
    this.#spent[low] = 0;
  }

  setHeld({ low }: EventData, held: boolean): void {
    const value = held ? 1 : 0;
    this.#heldCount += value - (this.#held[low] as number);
    this.#held[low] = value;
  }

  /** Note events for the ready list. Returns whether the slot was not on it yet. */
  addPending({ low }: EventData, events: number): boolean {
    const before = this.#pending[low] as number;
    this.#pending[low] = before | events;
    return before === 0;
  }

  /** The events noted, which are none from now on. */
  takePending({ low }: EventData): number {
    const events = this.#pending[low] as number;
    this.#pending[low] = 0;
    return events;
  }

  /** Every taken slot, with the mask the kernel would need to have it as it stands. */
  *entries(): Generator<{ data: EventData; slot: Slot; spent: boolean }> {
    for (let low = 0; low < this.#handlers.length; low += 1) {
      if (this.#handlers[low] === undefined) continue;
      const data = { low, high: this.#generations[low] as number };
      yield { data, slot: this.#slot(low), spent: this.#spent[low] === 1 };
    }
  }

  #slot(low: number): Slot {
    const handler = this.#handlers[low] as EventHandler;
    return { fd: this.#fds[low] as number, events: this.#masks[low] as number, handler };
  }

  #release(low: number): void {
    const fd = this.#fds[low] as number;
    if (this.#slotOfFd[fd] === low + 1) this.#slotOfFd[fd] = 0;
    this.#handlers[low] = undefined;
    this.#generations[low] = (this.#generations[low] as number) + 1;
    this.#masks[low] = 0;
    this.#free.push(low);
    this.#size -= 1;
    this.#heldCount -= this.#held[low] as number;
    this.#held[low] = 0;
  }

  #growSlots(): void {
    const length = this.#fds.length + 1;
    this.#fds = grown(this.#fds, length);
    this.#generations = grown(this.#generations, length);
    this.#masks = grown(this.#masks, length);
    this.#pending = grown(this.#pending, length);
    this.#spent = grown(this.#spent, length);
    this.#held = grown(this.#held, length);
  }
}

const ONESHOT_BIT = 30;

/** A copy of `array` with room for `length` at least, twice as long as before if that is more. */
function grown<A extends Int32Array | Uint32Array | Uint8Array>(array: A, length: number): A {
  const capacity = Math.max(length, array.length * 2);
  const copy = new (array.constructor as new (length: number) => A)(capacity);
  copy.set(array);
  return copy;
}
