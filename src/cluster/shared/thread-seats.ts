/**
 * Which threads share something, and which of them have died: a table of seats in shared memory.
 *
 * A thread can end at any moment (`terminate`, an uncaught throw, a full heap) and runs no JavaScript
 * of ours then, so nothing in shared memory could say so. Its *pulse* does: a pipe whose writing end the
 * thread owns (see sys/ownership.ts). When the thread ends, Node closes that end by its cleanup hook,
 * and the reading end reports EPOLLHUP. So a death is proven by the kernel and never guessed from a
 * timeout, and an epoll set that holds the reading end is woken by it.
 *
 * A seat is one word: 0 (free), fd + 1 (taken; fd is the reading end), -(fd + 1) (left in order, not yet
 * cleaned up). Only one thread at a time buries the dead: it has the lock of `reap`, which another one
 * takes over if that thread is dead itself. Seats become free under this lock alone, so a number that
 * was found dead does not belong to another thread by the time it is dealt with.
 */
import { EPOLLHUP, O_CLOEXEC, O_NONBLOCK, POLLHUP } from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { pipe2 } from '../../sys/fds';
import { close } from '../../sys/io';
import { closeOwned, own } from '../../sys/ownership';
import { PollList, poll } from '../../sys/poll';
import { tooManyThreads } from '../errors';

/** The highest number of a seat. They begin with 1; 0 stands for no thread. */
const MAX_SEATS = 255;

const REAPER = 0;
const AGAIN = 1;
const FIRST = 2;
/** Words of the table. */
export const SEAT_WORDS = FIRST + MAX_SEATS + 1;
/** The events that an epoll set watches the reading end of a pulse for. */
export const PULSE_EVENTS = EPOLLHUP;

const pair = new Int32Array(2);
const one = new PollList(1);

/** One thread's view of the table. */
export class ThreadSeats {
  readonly #words: Int32Array;
  #writeFd = -1;
  #seat = 0;

  /** `words` are {@link SEAT_WORDS} of shared memory, all 0 at first. */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** The number of this thread's seat, or 0 before `join` and after `leave`. */
  get seat(): number {
    return this.#seat;
  }

  /** Take a seat. Throws EMFILE where there are no fds left, ERR_TOO_MANY_THREADS where no seats. */
  join(): void {
    unwrap(pipe2(pair, O_CLOEXEC | O_NONBLOCK), 'pipe2');
    const readFd = pair[0] as number;
    this.#writeFd = own(pair[1] as number);
    for (let seat = 1; seat <= MAX_SEATS; seat += 1) {
      if (Atomics.compareExchange(this.#words, FIRST + seat, 0, readFd + 1) !== 0) continue;
      this.#seat = seat;
      return;
    }
    close(readFd);
    closeOwned(this.#writeFd);
    throw tooManyThreads(MAX_SEATS);
  }

  /** The reading end of this thread's pulse: readable, EPOLLHUP, from when the thread has ended. */
  get pulseFd(): number {
    return Math.abs(this.#word(this.#seat)) - 1;
  }

  /**
   * Leave in order. The thread must have given back all that it held. The seat becomes free at the next
   * `reap` of another thread, or by `closeAll`.
   */
  leave(): void {
    const word = this.#word(this.#seat);
    Atomics.store(this.#words, FIRST + this.#seat, -word);
    this.#seat = 0;
  }

  /** Let the others know: after `leave`, and after `closeAll` if this thread was the last. */
  endPulse(): void {
    closeOwned(this.#writeFd);
  }

  /** Whether the thread of `seat` has ended or left; false for a free seat. */
  isGone(seat: number): boolean {
    const word = this.#word(seat);
    return word < 0 || (word > 0 && hasHungUp(word - 1));
  }

  /** How many threads have a seat and live. */
  countAlive(): number {
    let count = 0;
    for (let seat = 1; seat <= MAX_SEATS; seat += 1) {
      if (this.#word(seat) > 0 && !this.isGone(seat)) count += 1;
    }
    return count;
  }

  /**
   * Free the seats of threads that are gone; `bury` is called first with each that had not left in
   * order. Returns how many those were. If another living thread is at it, that one looks again.
   */
  reap(bury: (seat: number) => void): number {
    let buried = 0;
    Atomics.store(this.#words, AGAIN, 1);
    while (Atomics.load(this.#words, AGAIN) === 1 && this.#lock()) {
      Atomics.store(this.#words, AGAIN, 0);
      try {
        buried += this.#reapLocked(bury);
      } finally {
        Atomics.store(this.#words, REAPER, 0);
      }
    }
    return buried;
  }

  /** Close all reading ends, when no thread is left; one that has come since keeps its own. */
  closeAll(): void {
    for (let seat = 1; seat <= MAX_SEATS; seat += 1) {
      if (this.isGone(seat)) this.#free(seat);
    }
  }

  #reapLocked(bury: (seat: number) => void): number {
    let buried = 0;
    for (let seat = 1; seat <= MAX_SEATS; seat += 1) {
      const word = this.#word(seat);
      // One that has left in order may still be about to end its pulse.
      if (word === 0 || !hasHungUp(Math.abs(word) - 1)) continue;
      if (word > 0) {
        bury(seat);
        buried += 1;
      }
      this.#free(seat);
    }
    return buried;
  }

  /** The word first: a thread that ends between the two loses an fd, and closes no other thread's. */
  #free(seat: number): void {
    const word = Atomics.exchange(this.#words, FIRST + seat, 0);
    if (word !== 0) close(Math.abs(word) - 1);
  }

  #lock(): boolean {
    const holder = Atomics.compareExchange(this.#words, REAPER, 0, this.#seat);
    if (holder === 0) return true;
    if (holder === this.#seat || !this.isGone(holder)) return false;
    return Atomics.compareExchange(this.#words, REAPER, holder, this.#seat) === holder;
  }

  #word(seat: number): number {
    return Atomics.load(this.#words, FIRST + seat);
  }
}

function hasHungUp(fd: number): boolean {
  one.set(0, fd, 0);
  return poll(one.bytes, 1, 0) > 0 && (one.revents(0) & POLLHUP) !== 0;
}
