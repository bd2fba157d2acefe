/** How an {@link Acceptor} has its listener watched: a {@link Registration} is one way. */
import type { EventLoop } from '../../loop/event-loop';
import type { EventHandler, Registration } from '../../loop/registration';
import { EPOLLEXCLUSIVE, EPOLLIN } from '../../sys/constants';

/** The methods that an acceptor needs of its watch; {@link Registration} documents them. */
export interface ListenerWatch {
  /** False once removed or revoked. */
  readonly active: boolean;
  /** 0 to report nothing until further notice, another mask to report again. */
  modify(events: number): void;
  rearm(): void;
  requeue(events: number): void;
  remove(): void;
  ref(): void;
  unref(): void;
  /** An accept round is over. */
  onRoundEnd?(): void;
}

/**
 * A listener that is shared by several loops, each with an fd of its own, of which the kernel wakes one
 * for a client: EPOLLEXCLUSIVE. Its mask cannot be modified, so it is removed and added.
 */
export class ExclusiveWatch implements ListenerWatch {
  readonly #fd: number;
  readonly #loop: EventLoop;
  readonly #handler: EventHandler;
  /** Null while nothing is to be reported. */
  #registration: Registration | null;
  #isHeld = true;
  #state: 'open' | 'removed' = 'open';

  /** Throws what {@link EventLoop.add} throws. */
  constructor(fd: number, loop: EventLoop, handler: EventHandler) {
    this.#fd = fd;
    this.#loop = loop;
    this.#handler = handler;
    this.#registration = loop.add(fd, EPOLLIN | EPOLLEXCLUSIVE, handler);
  }

  get active(): boolean {
    if (this.#state === 'removed') return false;
    return this.#registration === null || this.#registration.active;
  }

  modify(events: number): void {
    if (this.#state === 'removed') return;
    this.#registration?.remove();
    this.#registration = null;
    if (events === 0) return;
    this.#registration = this.#loop.add(this.#fd, EPOLLIN | EPOLLEXCLUSIVE, this.#handler);
    if (!this.#isHeld) this.#registration.unref();
  }

  /** Level-triggered: the kernel reports a client that is left by itself. */
  rearm(): void {}
  requeue(_events: number): void {}

  remove(): void {
    this.#state = 'removed';
    this.#registration?.remove();
  }

  ref(): void {
    this.#isHeld = true;
    this.#registration?.ref();
  }

  unref(): void {
    this.#isHeld = false;
    this.#registration?.unref();
  }
}
