/** How an {@link Acceptor} has its listener watched: a {@link Registration} is one way. */
import type { EventLoop } from '../../loop/event-loop';
import type { EventHandler, Registration } from '../../loop/registration';
import { EPOLLEXCLUSIVE, EPOLLIN } from '../../sys/constants';

/** The methods that an acceptor calls; see {@link Registration} for the methods. */
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

/** A level-triggered watch that is given up and taken again, each time anew. */
export abstract class IntermittentWatch implements ListenerWatch {
  readonly #fd: number;
  readonly #loop: EventLoop;
  readonly #handler: EventHandler;
  readonly #mask: number;
  /** Null while nothing is watched. */
  #registration: Registration | null = null;
  #isHeld = true;

  protected constructor(
    fd: number,
    { loop, handler, mask }: { loop: EventLoop; handler: EventHandler; mask: number },
  ) {
    this.#fd = fd;
    this.#loop = loop;
    this.#handler = handler;
    this.#mask = mask;
  }

  abstract readonly active: boolean;
  abstract modify(events: number): void;
  abstract remove(): void;

  /** The kernel reports a client that is left by itself. */
  rearm(): void {}
  requeue(_events: number): void {}

  ref(): void {
    this.#isHeld = true;
    this.#registration?.ref();
  }

  unref(): void {
    this.#isHeld = false;
    this.#registration?.unref();
  }

  /** Whether events are reported now. False too where the loop has revoked the watch. */
  protected get isWatched(): boolean {
    return this.#registration?.active ?? false;
  }

  /** Throws what {@link EventLoop.add} throws; then nothing is watched. */
  protected watch(): void {
    this.unwatch();
    this.#registration = this.#loop.add(this.#fd, this.#mask, this.#handler);
    if (!this.#isHeld) this.#registration.unref();
  }

  protected unwatch(): void {
    this.#registration?.remove();
    this.#registration = null;
  }
}

/**
 * A listener that is shared by several loops, each with an fd of its own, of which the kernel wakes one
 * for a client: EPOLLEXCLUSIVE. Its mask cannot be modified, so it is removed and added.
 */
export class ExclusiveWatch extends IntermittentWatch {
  #state: 'open' | 'resting' | 'removed' = 'open';

  /** Throws what {@link EventLoop.add} throws. */
  constructor(fd: number, loop: EventLoop, handler: EventHandler) {
    super(fd, { loop, handler, mask: EPOLLIN | EPOLLEXCLUSIVE });
    this.watch();
  }

  get active(): boolean {
    return this.#state === 'resting' || (this.#state === 'open' && this.isWatched);
  }

  modify(events: number): void {
    if (this.#state === 'removed') return;
    this.#state = events === 0 ? 'resting' : 'open';
    if (events === 0) this.unwatch();
    else this.watch();
  }

  remove(): void {
    this.#state = 'removed';
    this.unwatch();
  }
}
