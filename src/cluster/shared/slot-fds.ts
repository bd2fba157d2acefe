/**
 * The work on the fds of slots: watched by the kernel's set, taken out of it, closed.
 *
 * One rule keeps this right with any number of threads: epoll_ctl(2) is called for a slot by the thread
 * alone whose hands the slot is in. No other thread closes its fd meanwhile, so the number cannot be that of
 * another file. The seat of this thread is the table's.
 */
import type { Epoll } from '../../epoll/epoll';
import { errno, type SystemError } from '../../sys/errno';
import { closeOwned } from '../../sys/ownership';
import { SLOT } from './set-memory';
import type { SlotTable } from './slot-table';

/** Of an fd that is not open; not in the set; of a kind that cannot be. */
const NOT_THERE = [errno.EBADF, errno.ENOENT, errno.EPERM];

/** One thread's view. */
export class SlotFds {
  readonly #epoll: Epoll;
  readonly #table: SlotTable;
  readonly #slots: number;
  /** Reused, as an event's data are read before epoll_ctl(2) returns. */
  readonly #data = { low: 0, high: SLOT };

  /** A table of `slots`, whose fds are in `epoll`. */
  constructor(epoll: Epoll, table: SlotTable, slots: number) {
    this.#epoll = epoll;
    this.#table = table;
    this.#slots = slots;
  }

  /** Have the kernel watch the fd of a slot that was claimed. Throws as {@link Epoll.add}. */
  add(slot: number): void {
    const table = this.#table;
    this.#data.low = slot;
    this.#epoll.add(table.fdOf(slot), table.maskOf(slot), this.#data);
    if (!table.arm(slot)) this.arm(slot);
  }

  /**
   * Have the kernel watch it again. The kernel first, the slot's word after it, by the rule above. An
   * event that comes between finds no thread to take it and is noted in the word; then the kernel
   * looks again. Throws as {@link Epoll.modify}.
   */
  arm(slot: number): void {
    const table = this.#table;
    do {
      this.#data.low = slot;
      this.#epoll.modify(table.fdOf(slot), table.maskOf(slot), this.#data);
    } while (!table.arm(slot));
  }

  /** Out of the kernel's set: a duplicate of the fd, in a child process, would go on reporting. */
  forget(slot: number): void {
    try {
      this.#epoll.remove(this.#table.fdOf(slot));
    } catch (error) {
      const { errno: code } = error as SystemError;
      // The fd was closed elsewhere. It is not in the set, as wanted.
      if (!NOT_THERE.includes(-code)) throw error;
    }
  }

  /** Close the fd of a slot, unless it was closed already and the number is another's; free the slot. */
  close(slot: number): void {
    if (this.#table.hasItsFd(slot)) {
      this.forget(slot);
      closeOwned(this.#table.fdOf(slot));
    }
    this.#table.free(slot);
  }

  /** Close what the thread of `seat` holds, which is dead or this one; arm again what outlives it. */
  closeHeld(seat: number): void {
    for (let index = 0; index < this.#slots; index += 1) {
      const slot = this.#table.heldAt(index, seat);
      if (slot < 0) continue;
      this.#table.inherit(slot);
      if (this.#table.outlivesHolder(slot) && this.#table.hasItsFd(slot)) this.#armIfOpen(slot);
      else this.close(slot);
    }
  }

  /** Arm all that is armed: the kernel may have reported it to a thread that ended before it took it. */
  armAgain(): void {
    for (let index = 0; index < this.#slots; index += 1) {
      const slot = this.#table.armedAt(index);
      if (slot >= 0 && this.#table.take(slot)) this.#armIfOpen(slot);
    }
  }

  /** Close all, when no thread is left. */
  closeAll(): void {
    for (let index = 0; index < this.#slots; index += 1) {
      const fd = this.#table.fdAt(index);
      if (fd >= 0) closeOwned(fd);
    }
  }

  #armIfOpen(slot: number): void {
    try {
      this.arm(slot);
    } catch {
      // Its fd was closed elsewhere: no event can come, and it stays until it is removed.
      while (!this.#table.arm(slot));
    }
  }
}
