/**
 * Waits by Node's own loop: libuv has the loop's epoll fd in its epoll set.
 *
 * A wake-up costs no hop through a thread, and waiting needs no thread. In exchange, the kernel
 * wakes Node's loop, and ours can lead only when Node's loop turns; it does so anyway.
 */
import { UvPoll } from '../sys/uv-poll';
import type { Waiter } from './waiter';

/** See {@link Waiter}. */
export class LibuvWaiter implements Waiter {
  readonly #onReadable: () => void;
  #poll: UvPoll;
  #armed = false;
  #held = false;

  constructor(epollFd: number, onWake: () => void) {
    this.#onReadable = () => {
      if (!this.#armed) return;
      this.#armed = false;
      onWake();
    };
    this.#poll = this.#watch(epollFd);
  }

  arm(): void {
    this.#armed = true;
    this.#poll.start();
  }

  setHeld(held: boolean): void {
    this.#held = held;
    this.#poll.setHeld(held);
  }

  replace(epollFd: number): void {
    this.#poll.close();
    this.#poll = this.#watch(epollFd);
    if (this.#armed) this.#poll.start();
  }

  close(): void {
    this.#armed = false;
    this.#poll.close();
  }

  #watch(epollFd: number): UvPoll {
    const poll = new UvPoll(epollFd, this.#onReadable);
    poll.setHeld(this.#held);
    return poll;
  }
}
