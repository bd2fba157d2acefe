/**
 * The accept mutex: of the reactors that share a listener, the holder of a lock watches it, and no other.
 *
 * The lock is a word of shared memory: 0, or the holder's seat plus one. As in nginx, a holder that has
 * too many connections gives the lock away; here it gives it to the seat with the fewest, and wakes that
 * by its bell, so that no seat asks for the lock in vain. The pool gives on the lock of a reactor that died.
 */
import { Waker } from '../../epoll/waker';
import type { EventLoop } from '../../loop/event-loop';
import type { EventHandler } from '../../loop/registration';
import { IntermittentWatch } from '../../net/server/listener-watch';
import { EPOLLIN } from '../../sys/constants';
import { leastLoaded, type SharedSeats } from './ticket';

/** The lock is free. */
const FREE = 0;
/** A holder gives the lock away when it has so many more connections than the seat with the fewest. */
const SURPLUS = 1;
/** Or this part more, if that is more. */
const SURPLUS_PART = 8;

/** A lock, as one seat sees it. */
export class AcceptMutex {
  readonly #word: Int32Array;
  readonly #seats: SharedSeats;
  readonly #seat: number;

  constructor(word: Int32Array, seats: SharedSeats, seat: number) {
    this.#word = word;
    this.#seats = seats;
    this.#seat = seat;
  }

  /** Whether this seat holds the lock: it does from now on if it was free. */
  acquire(): boolean {
    const mine = this.#seat + 1;
    const holder = Atomics.compareExchange(this.#word, 0, FREE, mine);
    return holder === FREE || holder === mine;
  }

  /** Give the lock away if another seat has clearly fewer connections. Returns whether it is gone. */
  passOn(): boolean {
    const { connections } = this.#seats;
    const other = leastLoaded(connections, (seat) => seat !== this.#seat);
    if (other < 0) return false;
    const own = Atomics.load(connections, this.#seat);
    const surplus = own - Atomics.load(connections, other);
    if (surplus <= Math.max(SURPLUS, own / SURPLUS_PART)) return false;
    return this.#give(other);
  }

  /** This seat closes, or its reactor has died: another one gets the lock, if this one has it. */
  leave(): void {
    const other = leastLoaded(this.#seats.connections, (seat) => seat !== this.#seat);
    if (other >= 0) this.#give(other);
    else Atomics.compareExchange(this.#word, 0, this.#seat + 1, FREE);
  }

  #give(other: number): boolean {
    const mine = this.#seat + 1;
    if (Atomics.compareExchange(this.#word, 0, mine, other + 1) !== mine) return true;
    Waker.fromFd(this.#seats.bells[other] as number).wake();
    return true;
  }
}

/** Watches a listener while this seat holds the lock. */
export class MutexWatch extends IntermittentWatch {
  readonly #mutex: AcceptMutex;
  /** `resting`: the acceptor wants no reports for now. */
  #state: 'open' | 'resting' | 'removed' = 'open';

  /** Throws what {@link EventLoop.add} throws. */
  constructor(fd: number, setup: { loop: EventLoop; mutex: AcceptMutex; handler: EventHandler }) {
    const { loop, handler } = setup;
    super(fd, { loop, handler, mask: EPOLLIN });
    this.#mutex = setup.mutex;
    this.onBell();
  }

  get active(): boolean {
    return this.#state !== 'removed';
  }

  /** The bell of this seat rang: perhaps it holds the lock now. */
  onBell(): void {
    if (this.#state === 'open' && !this.isWatched && this.#mutex.acquire()) this.watch();
  }

  onRoundEnd(): void {
    if (!this.isWatched) return;
    if (this.#mutex.passOn() || !this.#mutex.acquire()) this.unwatch();
  }

  modify(events: number): void {
    if (this.#state === 'removed') return;
    this.#state = events === 0 ? 'resting' : 'open';
    if (events === 0) this.unwatch();
    else this.onBell();
  }

  remove(): void {
    if (this.#state === 'removed') return;
    this.#state = 'removed';
    this.unwatch();
    this.#mutex.leave();
  }
}
