/**
 * All registrations of one loop, by slot and by fd. This file has no I/O; `watch-set.ts` keeps the
 * table and the kernel's set in step. The essay below explains slots, generations and orphaned entries.
 *
 * The fields that dispatch reads are typed arrays beside the handlers, not an object per fd: with a
 * thousand busy connections every further object is a cache miss per event.
 */
import type { EventData } from '../epoll/epoll';
import type { EventHandler } from './registration';

/*
 * # Stale events and orphaned entries
 *
 * **What the kernel keeps.** An fd is a small number. It refers to an open file description, and
 * dup(2), fork(2) or a message over a unix socket (SCM_RIGHTS) make further fds refer to the same
 * description. close(2) frees the number, and the next open(2) gets it again. An epoll set stores
 * one entry per pair of number and description, with 64 bits of user data, which epoll_wait(2)
 * returns with each event. The kernel deletes an entry only when its description ends, so not at
 * close(2) while a duplicate lives. See "Will closing a file descriptor cause it to be removed from
 * all epoll interest lists?" in epoll(7).
 *
 * **What goes wrong.** Suppose the user data is the fd.
 * 1. One epoll_wait(2) returns a batch with events for fd 7 and fd 9. The handler of 7 closes 9 and
 *    accepts a connection, which gets number 9. The second event still says 9, so the new connection
 *    receives an event of the old one: a *stale* event. A pointer as user data would point to freed
 *    memory.
 * 2. Other code closes fd 9, which is watched, and a child process holds a duplicate. The
 *    kernel goes on reporting events for 9. EPOLL_CTL_DEL needs the number and the description
 *    together, and the number now means nothing (EBADF) or another file (ENOENT). So no call can
 *    delete the entry: it is *orphaned*. A level-triggered one makes each wait return at once.
 *
 * **What we do.**
 * - *Slot and generation.* A registration takes a slot, an index into this table. The low half of
 *   the user data is the slot, the high half is the slot's generation. Freeing the slot bumps its
 *   generation. Dispatch compares the generation when it handles each event, not when the batch
 *   arrives, so a stale event (1) no longer matches and is dropped.
 * - *Order.* `take` fills the slot before EPOLL_CTL_ADD, which needs its user data; `release` frees
 *   it if the kernel refuses. `confirm` enters the slot under its fd after the kernel accepted it. If
 *   another slot still stands under that number, its fd was closed while it was watched (for the
 *   same number and description the kernel returns EEXIST). `confirm` frees that slot, and its
 *   handler's `onRevoked` is called with EBADF. Our own classes remove the registration before they
 *   close the fd.
 * - *Proof of an orphan.* A batch may contain at most as many stale events as registrations ended
 *   since the wait. One more proves that there is an orphaned entry (2): see
 *   `WatchSet.hasOrphanedEntry`.
 * - *Rebuild.* No call can delete the entry, but the set can go. `WatchSet.rebuild` makes a new epoll
 *   set with every taken slot, and closes the old one. A one-shot that has fired is added disarmed.
 *   An fd that the new set refuses loses its registration, and its handler's `onRevoked` is called.
 *
 * **What remains.**
 * - Until the proof, an orphan costs wake-ups and dropped events. Many removals in each batch can
 *   hide it until a quieter batch.
 * - If the process has no fd left for a new set, the old set stays, and a later batch tries again.
 * - If other code closes a watched fd and the registration stays, the loop cannot notice until the
 *   number is registered again. Meanwhile its handler may be called for events of a duplicate, and the
 *   number may already be another file; a rebuild then adds that file for the old handler. So remove
 *   the registration before you close the fd.
 * - A generation has 32 bits: an old event could match again only after 2**32 registrations in its
 *   slot.
 */

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
  /** Events noted for the ready list; 0 if the slot is not on it. */
  #pending = new Uint32Array(FIRST_CAPACITY);
  /** 1 for a one-shot that has fired and was not re-armed. */
  #spent = new Uint8Array(FIRST_CAPACITY);
  /** 1 if the registration holds the process open, as an open socket does. */
  #held = new Uint8Array(FIRST_CAPACITY);
  #size = 0;
  #heldCount = 0;

  /** How many fds are registered. */
  get size(): number {
    return this.#size;
  }

  /** How many of them hold the process open. */
  get held(): number {
    return this.#heldCount;
  }

  /** Take a slot. It is not found by its fd until {@link confirm}, because the kernel may refuse. */
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
   * closed while it was watched: the other slot is freed, and its contents are returned.
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

  /** Free a slot; events already fetched for it no longer match. Returns whether it was taken. */
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

  /** Take the noted events off the slot. */
  takePending({ low }: EventData): number {
    const events = this.#pending[low] as number;
    this.#pending[low] = 0;
    return events;
  }

  /** Every taken slot. `spent`: a one-shot that has fired and was not re-armed. */
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
