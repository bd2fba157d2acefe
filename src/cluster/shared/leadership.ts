/**
 * The lead of a pool of threads round one epoll set: one thread waits for events, the others sleep.
 *
 * A thread joins, and sleeps until it leads; waits for one event; promotes a follower; works; joins
 * again. The lead is one word in shared memory: the seat of the leader and a term that changes with
 * each lead, so a thread that was slow cannot take a lead by what it saw in an earlier term.
 *
 * A leader that ends (`terminate`, a throw) does not take the lead with it. Followers look every 100 ms
 * whether the leader's pulse still beats (see thread-seats.ts): the kernel proves the death, no timeout
 * guesses it, so there are never two leaders, however slow one is.
 */

import { notLeader, sharedClosed } from '../errors';
import { type BoundedWaitOptions, expectMayWait, timeoutOf } from './bounded-wait';
import { type SharedHandle, wordsOfHandle, wrongHandle } from './handle';
import { SEAT_WORDS, ThreadSeats } from './thread-seats';

/** "epLF" */
const MAGIC = 0x65_70_4c_46;
const MAGIC_WORD = 0;
const LEAD = 1;
const STOPPED = 2;
const TAKEOVERS = 3;
const HEADER_WORDS = 16;

const SEAT_BITS = 8;
const SEAT_MASK = 2 ** SEAT_BITS - 1;
/** How long followers sleep before they look whether the leader lives. */
const LOOK_MS = 100;

/** One thread's face of a leadership. */
export class Leadership {
  readonly #words: Int32Array;
  readonly #seats: ThreadSeats;
  #closed = false;

  /**
   * A new one, without a leader. Throws EMFILE when there are no fds left: each thread takes two. The
   * parameter is for {@link Leadership.open}.
   */
  constructor(handle?: SharedHandle) {
    this.#words = handle === undefined ? makeWords() : openWords(handle);
    this.#seats = new ThreadSeats(this.#words.subarray(HEADER_WORDS));
    this.#seats.join();
    this.reap();
  }

  /**
   * That of another thread, by what its `share` returned. Throws a TypeError for a handle of something
   * else, EMFILE, ERR_TOO_MANY_THREADS (255).
   */
  static open(handle: SharedHandle): Leadership {
    // Undefined would be a new one.
    return new Leadership(handle ?? null);
  }

  /** The handle that another thread needs to open it: for `workerData` or `postMessage`. */
  share(): SharedHandle {
    this.#expectOpen();
    return { memory: this.#words.buffer as SharedArrayBuffer };
  }

  /** Whether this thread leads. */
  get leads(): boolean {
    return !this.#closed && seatOf(Atomics.load(this.#words, LEAD)) === this.#seats.seat;
  }

  /** Whether a thread has called `stop`. */
  get stopped(): boolean {
    return Atomics.load(this.#words, STOPPED) === 1;
  }

  /** How often a lead was taken from a thread that had ended. */
  get takeovers(): number {
    return Atomics.load(this.#words, TAKEOVERS);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sleep until this thread leads. Returns true if it does, which it may have done before; false when
   * the time is up (500 ms at most, which is the default) or after `stop`. Throws ERR_MAIN_THREAD where
   * it would block the main thread.
   */
  join(options: BoundedWaitOptions = {}): boolean {
    const timeoutMs = timeoutOf('Leadership.join', options);
    this.#expectOpen();
    const deadline = performance.now() + timeoutMs;
    while (!this.stopped) {
      const lead = Atomics.load(this.#words, LEAD);
      const leader = seatOf(lead);
      if (leader === this.#seats.seat) return true;
      if (leader === 0) {
        if (this.#exchange(lead, this.#seats.seat)) return true;
        continue;
      }
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return false;
      expectMayWait('Leadership.join');
      Atomics.wait(this.#words, LEAD, lead, Math.min(leftMs, LOOK_MS));
      if (this.#seats.isGone(leader)) this.reap();
    }
    return false;
  }

  /**
   * Give up the lead, and wake a follower for it. There is no order: a thread that joins at this moment
   * may be the first. Throws ERR_NOT_LEADER if this thread does not
   * lead.
   */
  promote(): void {
    this.#expectOpen();
    if (!this.leads) throw notLeader();
    this.#giveUp(this.#seats.seat);
  }

  /**
   * Free the lead of a thread that has ended. Returns how many threads were found dead. Followers do it
   * by themselves within 100 ms; call it on 'exit' of a worker to do it at once.
   */
  reap(): number {
    this.#expectOpen();
    return this.#seats.reap((seat) => {
      if (this.#giveUp(seat)) Atomics.add(this.#words, TAKEOVERS, 1);
    });
  }

  /** Have `join` return false, in all threads, now and from now on. */
  stop(): void {
    this.#expectOpen();
    Atomics.store(this.#words, STOPPED, 1);
    Atomics.notify(this.#words, LEAD);
  }

  /** Leave; a lead is given up first. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.reap();
    this.#giveUp(this.#seats.seat);
    this.#closed = true;
    this.#seats.leave();
    if (this.#seats.countAlive() === 0) this.#seats.closeAll();
    this.#seats.endPulse();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** False if the thread of `seat` did not lead. */
  #giveUp(seat: number): boolean {
    const lead = Atomics.load(this.#words, LEAD);
    if (seatOf(lead) !== seat || !this.#exchange(lead, 0)) return false;
    Atomics.notify(this.#words, LEAD, 1);
    return true;
  }

  #exchange(lead: number, seat: number): boolean {
    const next = (((lead >>> SEAT_BITS) + 1) << SEAT_BITS) | seat;
    return Atomics.compareExchange(this.#words, LEAD, lead, next) === lead;
  }

  #expectOpen(): void {
    if (this.#closed) throw sharedClosed('Leadership');
  }
}

function seatOf(lead: number): number {
  return lead & SEAT_MASK;
}

function makeWords(): Int32Array {
  const words = new Int32Array(new SharedArrayBuffer((HEADER_WORDS + SEAT_WORDS) * 4));
  words[MAGIC_WORD] = MAGIC;
  return words;
}

function openWords(handle: SharedHandle): Int32Array {
  const words = wordsOfHandle('Leadership', handle, MAGIC, HEADER_WORDS);
  if (words.length !== HEADER_WORDS + SEAT_WORDS) {
    throw wrongHandle('Leadership', words.buffer as SharedArrayBuffer);
  }
  return words;
}
