/**
 * Takes connections from a listening socket.
 *
 * Each readiness is one accept round: accept4(2) until EAGAIN, or until the round's limit so that a
 * flood of connections does not starve the established ones. What is left is not lost: a
 * level-triggered listener is reported again, a one-shot one is re-armed, and an edge-triggered one
 * goes to the loop's ready list.
 *
 * When there are no fds left (EMFILE and its like) the round ends and the listener rests for a
 * while, instead of being reported ready without end.
 */
import type { EventLoop } from '../loop/event-loop';
import type { EventHandler, Registration } from '../loop/registration';
import { WheelTimer } from '../loop/timer-wheel';
import * as constants from '../sys/constants';
import { errno, SystemError } from '../sys/errno';
import { accept4 } from '../sys/socket';

const {
  EAGAIN,
  ECONNABORTED,
  EHOSTUNREACH,
  EINTR,
  EMFILE,
  ENETDOWN,
  ENETUNREACH,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPERM,
  EPROTO,
} = errno;

const { EPOLLET, EPOLLIN, EPOLLONESHOT, SOCK_CLOEXEC, SOCK_NONBLOCK } = constants;

/** How the kernel reports a listener. */
export type AcceptTrigger = 'level' | 'edge' | 'oneshot';

const MASKS: Record<AcceptTrigger, number> = {
  level: EPOLLIN,
  edge: (EPOLLIN | EPOLLET) >>> 0,
  oneshot: EPOLLIN | EPOLLONESHOT,
};

/** Connections taken in one round. */
const ACCEPTS_PER_ROUND = 128;
/** How long a listener rests when there are no fds or no memory. */
const REST_MS = 100;

/**
 * Errors of one connection, or of the network under it: the next accept may succeed. accept(2) says
 * that Linux passes errors of the new socket on, and that they are to be treated like EAGAIN.
 */
const TRANSIENT = new Set([
  ECONNABORTED,
  EINTR,
  EPERM,
  EPROTO,
  ENETDOWN,
  ENOPROTOOPT,
  EHOSTUNREACH,
  EOPNOTSUPP,
  ENETUNREACH,
]);
/** Errors of the machine: trying again at once fails again. */
const EXHAUSTED = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM]);

/** Who gets what an {@link Acceptor} accepts. */
export interface AcceptHandler {
  /** A connected, non-blocking fd; the handler must close it. */
  onAccept(fd: number): void;
  /** No connection could be taken. The acceptor goes on by itself. */
  onAcceptError(error: Error): void;
  /** The loop was closed. */
  onRevoked(reason: Error): void;
}

/** Options of {@link Acceptor}. */
export interface AcceptorOptions {
  loop: EventLoop;
  trigger: AcceptTrigger;
  handler: AcceptHandler;
}

/** Watches one listening fd, which stays the caller's. */
export class Acceptor implements EventHandler {
  readonly #fd: number;
  readonly #loop: EventLoop;
  readonly #trigger: AcceptTrigger;
  readonly #handler: AcceptHandler;
  readonly #registration: Registration;
  readonly #rest = new WheelTimer({
    onTimer: () => this.#registration.modify(MASKS[this.#trigger]),
  });

  constructor(fd: number, { loop, trigger, handler }: AcceptorOptions) {
    this.#fd = fd;
    this.#loop = loop;
    this.#trigger = trigger;
    this.#handler = handler;
    this.#registration = loop.add(fd, MASKS[trigger], this);
  }

  /** One accept round. */
  onEvents(): void {
    for (let count = 0; count < ACCEPTS_PER_ROUND; count += 1) {
      if (!this.#registration.active) return;
      const fd = accept4(this.#fd, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) this.#deliver(fd);
      else if (fd === -EAGAIN) return this.#resume();
      else if (EXHAUSTED.has(-fd)) return this.#pause(fd);
      else if (!TRANSIENT.has(-fd)) return this.#fail(fd);
    }
    if (this.#trigger === 'edge') this.#registration.requeue(EPOLLIN);
    else this.#resume();
  }

  onRevoked(reason: Error): void {
    this.#loop.timers.cancel(this.#rest);
    this.#handler.onRevoked(reason);
  }

  /** Take no more connections. */
  close(): void {
    this.#loop.timers.cancel(this.#rest);
    this.#registration.remove();
  }

  ref(): void {
    this.#registration.ref();
  }

  unref(): void {
    this.#registration.unref();
  }

  #deliver(fd: number): void {
    try {
      this.#handler.onAccept(fd);
    } catch (error) {
      this.#loop.uncaught(error);
    }
  }

  #resume(): void {
    if (this.#trigger === 'oneshot') this.#registration.rearm();
  }

  #pause(outcome: number): void {
    this.#registration.modify(0);
    this.#loop.timers.schedule(this.#rest, REST_MS);
    this.#handler.onAcceptError(new SystemError('accept4', outcome, { fd: this.#fd }));
  }

  /** Not a matter of this connection or of a full table: the listener itself is unusable. */
  #fail(outcome: number): void {
    this.close();
    this.#handler.onAcceptError(new SystemError('accept4', outcome, { fd: this.#fd }));
  }
}
