/**
 * One epoll set that several threads of the process wait on, each blocked in its own epoll_wait(2).
 *
 * Made in one thread, opened in others by a handle. JavaScript objects do not cross threads, so what
 * must be known of a socket by whichever thread gets it next stands in its *slot*: a record of fixed
 * size in shared memory. With `oneshot` a slot is in one thread's hands from the wait that brought it
 * until `rearm`, `remove` or `destroy`; the kernel does not watch it then. Without, several threads
 * may be given the same socket at once.
 *
 * The fds belong to the set: not to the thread that added them, nor to one that waits. A slot that a
 * thread held when it ended (`terminate`, a throw) is closed, as half of it may have been read: the client
 * gets an end or a reset. Any other thread does it, woken by the dead one's pulse (thread-seats.ts).
 */
import { checkFd, checkMask, outOfRange } from '../../base/check';
import { parseOptions } from '../../base/options';
import { Epoll } from '../../epoll/epoll';
import { EventList } from '../../epoll/event-list';
import { Waker } from '../../epoll/waker';
import { EPOLLEXCLUSIVE, EPOLLONESHOT } from '../../sys/constants';
import { disown, own } from '../../sys/ownership';
import { notOneshot, setFull, sharedClosed, slotNotHeld } from '../errors';
import { type BoundedWaitOptions, timeoutOf } from './bounded-wait';
import type { SharedHandle } from './handle';
import { ReadySlots } from './ready-slots';
import { CLOSED, CLOSING, DROPPED, LIFE, OPEN, SEAT, SetMemory, SLOT, STOPPED } from './set-memory';
import {
  type AddOptions,
  type OpenSharedSetOptions,
  openSharedSetSchema,
  parseAddOptions,
  type SharedSetOptions,
  sharedSetSchema,
} from './shared-set-options';
import { SlotFds } from './slot-fds';
import type { SlotCounts } from './slot-table';
import { PULSE_EVENTS } from './thread-seats';

/** Figures of a set. */
export interface SharedSetStats extends SlotCounts {
  /** How many there can be in all. */
  slots: number;
  /** Threads that have the set open, this one among them. */
  threads: number;
  /** Events that were dropped: of a slot that was freed, or is in another thread's hands. */
  dropped: number;
}

/** One thread's face of a shared set. */
export class SharedSet {
  readonly oneshot: boolean;
  readonly #memory: SetMemory;
  readonly #epoll: Epoll;
  readonly #waker: Waker;
  readonly #events: EventList;
  readonly #ready: ReadySlots;
  readonly #fds: SlotFds;
  #closed = false;

  /**
   * A new set. Throws EMFILE or ENFILE when there are no fds left, a TypeError for a wrong option. The
   * second parameter is for {@link SharedSet.open}.
   */
  constructor(options: SharedSetOptions = {}, handle?: SharedHandle) {
    const isNew = handle === undefined;
    let maxEvents: number;
    if (isNew) {
      const settings = parseOptions('SharedSet', sharedSetSchema, options);
      this.#memory = SetMemory.create(settings, settings.oneshot);
      ({ maxEvents } = settings);
    } else {
      ({ maxEvents } = parseOptions('SharedSet.open', openSharedSetSchema, options));
      this.#memory = SetMemory.of(handle);
    }
    const { epollFd, oneshot, slots, table, wakerFd } = this.#memory;
    this.oneshot = oneshot;
    this.#epoll = Epoll.fromFd(epollFd);
    this.#waker = Waker.fromFd(wakerFd);
    this.#fds = new SlotFds(this.#epoll, table, slots);
    this.#events = new EventList(maxEvents);
    this.#ready = new ReadySlots(maxEvents);
    try {
      this.#join();
    } catch (error) {
      if (isNew && Atomics.load(this.#memory.header, LIFE) === OPEN) this.#closeFds();
      throw error;
    }
  }

  /**
   * The set of another thread, by what its `share` returned. Throws a TypeError for a handle of
   * something else, ERR_SHARED_CLOSED if all threads have closed it, EMFILE, ERR_TOO_MANY_THREADS
   * (255). Do it once in each thread.
   */
  static open(handle: SharedHandle, options: OpenSharedSetOptions = {}): SharedSet {
    // Undefined would be a new set.
    return new SharedSet(options, handle ?? null);
  }

  /** The handle that another thread needs to open the set: for `workerData` or `postMessage`. */
  share(): SharedHandle {
    this.#expectOpen();
    return this.#memory.handle;
  }

  /** How many slots there are. */
  get slots(): number {
    return this.#memory.slots;
  }

  /** Bytes of a record. */
  get recordBytes(): number {
    return this.#memory.recordBytes;
  }

  /** Whether a thread has called `stop`. */
  get stopped(): boolean {
    return Atomics.load(this.#memory.header, STOPPED) === 1;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Watch `fd` for `events`, a mask of EPOLLIN and so on (EPOLLONESHOT comes by the option). The set
   * takes the fd over: `destroy` or the last `close` closes it. Returns the slot's number.
   *
   * Throws ERR_SET_FULL, and as {@link Epoll.add}: EBADF, EEXIST, EPERM. Then the fd is still the
   * caller's.
   */
  add(fd: number, events: number, options: AddOptions = {}): number {
    this.#expectOpen();
    checkFd(fd);
    const mask = this.#maskOf(events);
    const { record, outlivesHolder } = parseAddOptions(options, this.recordBytes);
    const { table } = this.#memory;
    const slot = table.claim(fd, mask, outlivesHolder);
    if (slot < 0) throw setFull(this.slots);
    const wasOwned = disown(fd);
    try {
      if (record !== null) table.record(slot).set(record);
      this.#fds.add(slot);
    } catch (error) {
      table.free(slot);
      if (wasOwned) own(fd);
      throw error;
    }
    return slot;
  }

  /**
   * Block this thread until fds are ready, `stop` is called, or the time is up: at most 500 ms, which
   * is the default. Returns this object's own list, empty at the timeout, after `stop`, and if a signal
   * or the death of another thread ended the wait.
   */
  wait(options: BoundedWaitOptions = {}): ReadySlots {
    const timeoutMs = timeoutOf('SharedSet.wait', options);
    this.#expectOpen();
    this.#ready.clear();
    if (this.stopped) return this.#ready;
    const count = this.#epoll.waitInto(this.#events, timeoutMs);
    let someThreadEnded = false;
    for (let index = 0; index < count; index += 1) {
      const kind = this.#events.high(index);
      if (kind === SLOT) this.#take(this.#events.low(index), this.#events.events(index));
      else if (kind === SEAT) someThreadEnded = true;
    }
    if (someThreadEnded) this.reap();
    return this.#ready;
  }

  /**
   * Let go of a slot: its next event, which may be there already, goes to any thread. `events` replaces
   * the mask. Throws ERR_SLOT_NOT_HELD if this thread does not hold the slot, ERR_NOT_ONESHOT where
   * there is nothing to re-arm; EBADF or ENOENT if the fd was closed, and then the thread holds it still.
   */
  rearm(slot: number, events?: number): void {
    this.#expectOpen();
    if (!this.oneshot) {
      throw notOneshot(slot);
    }
    this.#expectMine(slot);
    if (events !== undefined) this.#memory.table.setMask(slot, this.#maskOf(events));
    this.#fds.arm(slot);
  }

  /**
   * Put down a slot that this thread holds, for another thread to `pickUp`: of a stage that has its
   * number from a queue. No thread has it and nothing is reported of it meanwhile. A thread that ends
   * after it took the number from the queue, and before it picks up the slot, leaves it as it is.
   */
  putDown(slot: number): void {
    this.#expectOpen();
    this.#expectMine(slot);
    this.#memory.table.pass(slot, this.#memory.seats.seat, 0);
  }

  /** Take into this thread's hands what a thread has put down. Throws ERR_SLOT_NOT_HELD if it is not. */
  pickUp(slot: number): void {
    this.#expectOpen();
    this.#memory.table.check(slot);
    if (!this.#memory.table.pass(slot, 0, this.#memory.seats.seat)) throw this.#notMine(slot);
  }

  /**
   * Take a slot out of the set. Returns its fd, which is the caller's from now on. For a slot in this
   * thread's hands, or in no thread's. Throws ERR_SLOT_NOT_HELD if another thread has it, ERR_SLOT_GONE.
   */
  remove(slot: number): number {
    this.#expectTaken(slot);
    this.#fds.forget(slot);
    const fd = this.#memory.table.fdOf(slot);
    this.#memory.table.free(slot);
    return fd;
  }

  /** As `remove`, and close the fd. */
  destroy(slot: number): void {
    this.#expectTaken(slot);
    this.#fds.close(slot);
  }

  /** The fd of a slot that this thread holds. It stays the set's: do not close it. */
  fdOf(slot: number): number {
    this.#expectUsable(slot);
    return this.#memory.table.fdOf(slot);
  }

  /**
   * The record of a slot that this thread holds, in shared memory: the same view each time. When the
   * slot has gone it is the next one's, so do not keep it.
   */
  record(slot: number): Uint8Array {
    this.#expectUsable(slot);
    return this.#memory.table.record(slot);
  }

  /** As `record`, as 32-bit integers; for counters, and for Atomics where the set is not oneshot. */
  integers(slot: number): Int32Array {
    this.#expectUsable(slot);
    return this.#memory.table.integers(slot);
  }

  /**
   * Close what threads held that have ended, and arm again what one of them may have been about to
   * take. Returns how many threads those were. A waiting thread does it by itself; call it on 'exit' of
   * a worker where none may be waiting.
   */
  reap(): number {
    this.#expectOpen();
    return this.#memory.seats.reap((seat) => {
      this.#fds.closeHeld(seat);
      this.#fds.armAgain();
    });
  }

  /** End all waits, of all threads, now and from now on. Nothing is closed. */
  stop(): void {
    this.#expectOpen();
    Atomics.store(this.#memory.header, STOPPED, 1);
    this.#waker.wake();
  }

  /** Figures of the set. Looks at all slots. */
  stats(): SharedSetStats {
    this.#expectOpen();
    return {
      slots: this.slots,
      ...this.#memory.table.counts(),
      threads: this.#memory.seats.countAlive(),
      dropped: Atomics.load(this.#memory.header, DROPPED),
    };
  }

  /**
   * Leave the set, as if the thread ended: what it holds is closed, the others go on. The last thread to leave closes
   * the epoll set and all fds in it, so let that be one that is not terminated. A second call does
   * nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.reap();
    this.#closed = true;
    this.#fds.closeHeld(this.#memory.seats.seat);
    this.#leave();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #join(): void {
    const { seats, table } = this.#memory;
    seats.join();
    table.seat = seats.seat;
    try {
      // The last other thread may have closed the set between the first look and the seat.
      this.#memory.expectLife();
      const events = (PULSE_EVENTS | EPOLLONESHOT) >>> 0;
      this.#epoll.add(seats.pulseFd, events, { low: seats.seat, high: SEAT });
      this.reap();
    } catch (error) {
      this.#closed = true;
      this.#leave();
      throw error;
    }
  }

  #leave(): void {
    const { seats } = this.#memory;
    seats.leave();
    this.#closeIfLast();
    seats.endPulse();
  }

  /** Two that leave at once may both be the last; one that joins meanwhile must not find closed fds. */
  #closeIfLast(): void {
    const { header, seats } = this.#memory;
    if (seats.countAlive() > 0) return;
    if (Atomics.compareExchange(header, LIFE, OPEN, CLOSING) !== OPEN) return;
    if (seats.countAlive() > 0) {
      Atomics.store(header, LIFE, OPEN);
      return;
    }
    this.#closeFds();
  }

  #closeFds(): void {
    const { header, seats } = this.#memory;
    this.#fds.closeAll();
    seats.closeAll();
    this.#epoll.close();
    this.#waker.close();
    Atomics.store(header, LIFE, CLOSED);
  }

  #take(slot: number, events: number): void {
    const { header, table } = this.#memory;
    if (this.oneshot ? table.take(slot) : table.touch(slot)) this.#ready.push(slot, events);
    else Atomics.add(header, DROPPED, 1);
  }

  /** In this thread's hands, or taken while no thread has it. */
  #expectTaken(slot: number): void {
    this.#expectOpen();
    const { table } = this.#memory;
    table.check(slot);
    if (table.stateOf(slot) === 'armed') table.take(slot);
    this.#expectMine(slot);
  }

  #maskOf(events: number): number {
    const mask = checkMask('events', events);
    if ((mask & (EPOLLONESHOT | EPOLLEXCLUSIVE)) !== 0) {
      throw outOfRange('events', 'without EPOLLONESHOT and EPOLLEXCLUSIVE', events);
    }
    return this.oneshot ? (mask | EPOLLONESHOT) >>> 0 : mask;
  }

  #expectUsable(slot: number): void {
    this.#expectOpen();
    if (this.oneshot) return this.#expectMine(slot);
    this.#memory.table.check(slot);
    if (this.#memory.table.stateOf(slot) === 'gone') throw this.#notMine(slot);
  }

  #expectMine(slot: number): void {
    this.#memory.table.check(slot);
    if (this.#memory.table.stateOf(slot) !== 'mine') throw this.#notMine(slot);
  }

  #notMine(slot: number): Error {
    return slotNotHeld(slot, this.#memory.table.stateOf(slot));
  }

  #expectOpen(): void {
    if (this.#closed) throw sharedClosed('SharedSet');
  }
}
