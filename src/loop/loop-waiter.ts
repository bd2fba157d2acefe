/**
 * The waiting of one loop: which waiter does it, and the change to another one.
 *
 * In a worker it is Node's own epoll set: a worker may be terminated at any time, for which neither a
 * thread nor a handle of libuv is prepared (see uv-poll.ts and waiter-pool.ts). And so it is, in any
 * thread, for a loop that watches an fd with EPOLLEXCLUSIVE (see direct-fds.ts).
 */
import { isMainThread } from 'node:worker_threads';
import { BackendWaiter } from './backend-waiter';
import type { DirectFds } from './direct-fds';
import type { EventLoopSettings } from './event-loop-options';
import { LibuvWaiter } from './libuv-waiter';
import type { Waiter } from './waiter';
import { joinWaiterThread } from './waiter-pool';

/** The setup of a {@link LoopWaiter}. */
export interface LoopWaiterSetup {
  /** The epoll fd of the loop, now. */
  epollFd: () => number;
  /** See {@link Waiter.arm}. */
  onWake: () => void;
  kind: EventLoopSettings['waiter'];
}

/** Does nothing before `join`, nor for an inline loop, which never joins. */
export class LoopWaiter implements Waiter {
  readonly #setup: LoopWaiterSetup;
  #waiter: Waiter | null = null;
  #isHeld = false;
  #isArmed = false;

  constructor({ epollFd, onWake, kind }: LoopWaiterSetup) {
    const wake = (): void => {
      this.#isArmed = false;
      onWake();
    };
    this.#setup = { epollFd, onWake: wake, kind };
  }

  /** Have a waiter. Throws EMFILE or ENFILE when there are no fds left. */
  join(): void {
    if (this.#waiter === null && this.#setup.kind !== 'inline') this.#take(this.#newWaiter());
  }

  /** Have Node's own set wait. Throws as {@link join}. */
  joinNodesSet(): DirectFds {
    const former = this.#waiter;
    if (former instanceof BackendWaiter) return former.direct;
    // First, because the former waiter may have the loop's set in Node's own set too.
    former?.close();
    this.#waiter = null;
    try {
      const waiter = new BackendWaiter(this.#setup.epollFd(), this.#setup.onWake);
      this.#take(waiter);
      return waiter.direct;
    } catch (error) {
      if (former !== null) this.join();
      throw error;
    }
  }

  arm(): void {
    this.#isArmed = true;
    this.#waiter?.arm();
  }

  setHeld(held: boolean): void {
    this.#isHeld = held;
    this.#waiter?.setHeld(held);
  }

  replace(epollFd: number): void {
    this.#waiter?.replace(epollFd);
  }

  close(): void {
    this.#waiter?.close();
  }

  #take(waiter: Waiter): void {
    this.#waiter = waiter;
    waiter.setHeld(this.#isHeld);
    if (this.#isArmed) waiter.arm();
  }

  #newWaiter(): Waiter {
    const { epollFd, onWake, kind } = this.#setup;
    if (!isMainThread) return new BackendWaiter(epollFd(), onWake);
    if (kind === 'libuv') return new LibuvWaiter(epollFd(), onWake);
    return joinWaiterThread(epollFd(), onWake);
  }
}
