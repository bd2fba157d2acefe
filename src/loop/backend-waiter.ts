/**
 * Waits by the epoll set of Node's own loop, with no thread and no callback from C.
 *
 * The loop's epoll fd is a member of libuv's set (see doorbell.ts). When something is ready, Node's
 * loop turns and runs its immediates. Our immediate looks at the epoll fds of the waiting loops; it
 * is unref'd, so it does not keep Node's loop from sleeping. If the doorbell does not work, or is
 * not tested yet, a timer looks instead.
 *
 * So everything here may end at any time: libuv has no handle of ours, and C never calls
 * JavaScript. A worker may be terminated, and the process may exit, at any moment.
 */

import { outsideCallers } from '../base/context';
import { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLLIN, EPOLLONESHOT, POLLIN } from '../sys/constants';
import { PollList, poll } from '../sys/poll';
import { DirectFds } from './direct-fds';
import { Doorbell } from './doorbell';
import type { Waiter } from './waiter';

/** Between two looks if the doorbell does not work. */
const POLL_MS = 10;
/** Before the first look at the doorbell itself: libuv knows it after its first poll. */
const FIRST_POLL_MS = 1;

const peek = new PollList(1);

/** This thread's doorbell, while there are waiters. */
let doorbell: Doorbell | null = null;
let waiters = 0;
/** Waiters that were armed, and may have changed since; swapped with `looking` during a look. */
let armed: BackendWaiter[] = [];
let looking: BackendWaiter[] = [];
let isScheduled = false;
/** Looks next if no immediate does. */
let timer: NodeJS.Timeout | null = null;
let pollMs = FIRST_POLL_MS;

/** See {@link Waiter}. */
export class BackendWaiter implements Waiter {
  /** The fds that Node's own set must have: see direct-fds.ts. */
  readonly direct: DirectFds;
  readonly #doorbell: Doorbell;
  readonly #onWake: () => void;
  #epollFd: number;
  #state: 'resting' | 'armed' | 'closed' = 'resting';
  #isListed = false;
  #held = false;

  /** Throws EMFILE or ENFILE when there are no fds left; the first one of a thread needs two. */
  constructor(epollFd: number, onWake: () => void) {
    this.#epollFd = epollFd;
    this.#onWake = onWake;
    doorbell ??= new Doorbell();
    this.#doorbell = doorbell;
    this.direct = new DirectFds(doorbell);
    waiters += 1;
    try {
      this.#doorbell.control(EPOLL_CTL_ADD, epollFd, EPOLLONESHOT);
    } catch (error) {
      leave();
      throw error;
    }
  }

  arm(): void {
    if (this.#state === 'closed') return;
    this.#state = 'armed';
    if (this.#doorbell.isGood) {
      this.#doorbell.control(EPOLL_CTL_MOD, this.#epollFd, EPOLLIN | EPOLLONESHOT);
      this.direct.enterAll();
    }
    if (!this.#isListed) armed.push(this);
    this.#isListed = true;
    lookLater(this.#doorbell);
  }

  setHeld(held: boolean): void {
    if (this.#state === 'closed' || this.#held === held) return;
    this.#held = held;
    this.#doorbell.hold(held ? 1 : -1);
  }

  replace(epollFd: number): void {
    this.#doorbell.forget(this.#epollFd);
    this.#epollFd = epollFd;
    this.#doorbell.control(EPOLL_CTL_ADD, epollFd, EPOLLONESHOT);
    if (this.#state === 'armed') this.arm();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.setHeld(false);
    this.#state = 'closed';
    this.direct.close();
    this.#doorbell.forget(this.#epollFd);
    leave();
  }

  /** Node's loop has turned, for whatever reason. */
  look(): void {
    this.#isListed = false;
    if (this.#state !== 'armed') return;
    peek.set(0, this.#epollFd, POLLIN);
    if (poll(peek.bytes, 1, 0) > 0 || this.direct.anyReady) {
      this.#state = 'resting';
      this.#onWake();
    } else {
      // It may have become ready when libuv took the event, and that event was its one shot.
      this.arm();
    }
  }
}

function leave(): void {
  waiters -= 1;
  if (waiters > 0) return;
  doorbell?.close();
  doorbell = null;
}

function lookLater({ isGood }: Doorbell): void {
  if (isScheduled) return;
  isScheduled = true;
  if (isGood) setImmediate(lookAll).unref();
  else outsideCallers(pollLater);
}

function lookAll(): void {
  isScheduled = false;
  if (timer !== null) clearTimeout(timer);
  timer = null;
  const list = armed;
  armed = looking;
  looking = list;
  for (const waiter of list) waiter.look();
  list.length = 0;
}

function pollLater(): void {
  timer = setTimeout(onTimer, pollMs).unref();
}

function onTimer(): void {
  pollMs = Math.min(2 * pollMs, POLL_MS);
  pollMs = doorbell?.tryOut(lookAll) ?? pollMs;
  lookAll();
}
