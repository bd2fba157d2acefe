/**
 * Takes connections from a listening socket.
 *
 * Each readiness is one accept round: accept4(2) until EAGAIN, or until the round's limit, so that
 * a flood of connections does not starve the established ones. The rest is not lost: a
 * level-triggered listener is reported again, a one-shot one is re-armed, and an edge-triggered one
 * goes to the loop's ready list.
 *
 * When there are no fds (EMFILE, ENFILE), a spare fd accepts the waiting clients and closes them,
 * so that they know; when there is no memory (ENOBUFS, ENOMEM), they wait. Then the listener rests,
 * instead of being reported ready without end: until its time is over, or until a connection
 * closes.
 *
 * If another owner shuts down the listener, that is reported as an error, once.
 */
import type { EventLoop } from '../../loop/event-loop';
import type { EventHandler } from '../../loop/registration';
import { WheelTimer } from '../../loop/timer-wheel';
import * as constants from '../../sys/constants';
import { errno, SystemError } from '../../sys/errno';
import { accept4 } from '../../sys/socket';
import { isReadingShut } from '../socket/readiness';
import { ShortageBackoff } from '../socket/shortage';
import { ExclusiveWatch, type ListenerWatch } from './listener-watch';
import { SpareFd } from './spare-fd';

const {
  EAGAIN,
  ECONNABORTED,
  EHOSTUNREACH,
  EINVAL,
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

const { EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT, SOCK_CLOEXEC, SOCK_NONBLOCK } =
  constants;

/**
 * How the kernel reports a listener. `exclusive` is for those that share one with others, each by an fd
 * of its own: the kernel wakes one of them for a client, and not all (EPOLLEXCLUSIVE).
 */
export type AcceptTrigger = 'level' | 'edge' | 'oneshot' | 'exclusive';

/** The names of {@link AcceptTrigger}. */
export const ACCEPT_TRIGGERS = ['level', 'edge', 'oneshot', 'exclusive'] as const;

/** Of an exclusive one, only whether there are any: see {@link ExclusiveWatch}. */
const MASKS: Record<AcceptTrigger, number> = {
  level: EPOLLIN,
  edge: (EPOLLIN | EPOLLET) >>> 0,
  oneshot: EPOLLIN | EPOLLONESHOT,
  exclusive: EPOLLIN | EPOLLEXCLUSIVE,
};

const CLIENTS_PER_ROUND = 128;
/**
 * Empty rounds in a row after which the listener is checked for a shutdown. Some are normal where
 * processes share a listener: another one was faster.
 */
const EMPTY_ROUNDS = 16;
/**
 * The maximum taken before closing: a flood must not hold the thread. No usual backlog is longer.
 */
const TAKE_ALL_LIMIT = 65_536;
const ACCEPT_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC;

/**
 * Errors of one connection, or of the network under it: the next accept may succeed. accept(2) says
 * that Linux passes on errors of the new socket, and that they should be handled like EAGAIN.
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
/** There are no fds, so giving one back helps. */
const NO_FDS = new Set([EMFILE, ENFILE]);
/** Errors of the machine: trying again at once fails again. */
const EXHAUSTED = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM]);

/** Receives the connections of an {@link Acceptor}. */
export interface AcceptHandler {
  /** A connected, non-blocking fd; the handler must close it. */
  onAccept(fd: number): void;
  /** As {@link onAccept}, but there are no fds left: the handler must close it at once. */
  onNoFds(fd: number): void;
  /**
   * No connection could be taken. The acceptor goes on by itself. A lasting shortage is reported
   * once in a while.
   */
  onAcceptError(error: Error): void;
  /** The listener is unusable (it was shut down), and not watched any more. */
  onListenerFailed(error: Error): void;
  /** The loop was closed. */
  onRevoked(reason: Error): void;
}

/** Where a server gets its connections from: an {@link Acceptor}, or what another layer has instead. */
export interface ConnectionSource {
  /** Deliver no more connections. */
  close(): void;
  /** Deliver all clients that wait, before the listener is closed. */
  takeAll(): void;
  /** A connection closes, so that there is room for another. */
  onRoom(): void;
  /** Deliver nothing for a while, as `syscall` has failed for want of something: `outcome` is -errno. */
  rest(syscall: string, outcome: number): void;
  ref(): void;
  unref(): void;
}

/** The loop, handler and memory that a source of connections works with. */
export interface SourceOptions {
  loop: EventLoop;
  handler: AcceptHandler;
  /** Memory for the peer's address during `onAccept`; null if it is not needed. */
  address?: Uint8Array | null;
}

/** Options of {@link Acceptor}. */
export interface AcceptorOptions extends SourceOptions {
  trigger: AcceptTrigger;
  /** How the listener is watched, if otherwise than by the loop's own set; `trigger` is of no matter then. */
  watch?: (handler: EventHandler) => ListenerWatch;
  /** Clients taken or turned away in one round, at most; 128 if not given. */
  clientsPerRound?: number;
}

/** Watches one listening fd, which stays the caller's. */
export class Acceptor implements EventHandler, ConnectionSource {
  readonly #fd: number;
  readonly #loop: EventLoop;
  readonly #trigger: AcceptTrigger;
  readonly #handler: AcceptHandler;
  readonly #address: Uint8Array | null;
  readonly #registration: ListenerWatch;
  readonly #clientsPerRound: number;
  #state: 'open' | 'closed' = 'open';
  readonly #spare: SpareFd;
  readonly #backoff = new ShortageBackoff();
  #emptyRounds = 0;
  /** Scheduled while the listener rests. */
  readonly #rest = new WheelTimer({ onTimer: () => this.#goOn() });

  constructor(fd: number, options: AcceptorOptions) {
    const { loop, trigger, handler, address = null, watch } = options;
    this.#fd = fd;
    this.#loop = loop;
    this.#trigger = trigger;
    this.#handler = handler;
    this.#address = address;
    this.#clientsPerRound = options.clientsPerRound ?? CLIENTS_PER_ROUND;
    if (watch !== undefined) this.#registration = watch(this);
    else if (trigger === 'exclusive') this.#registration = new ExclusiveWatch(fd, loop, this);
    else this.#registration = loop.add(fd, MASKS[trigger], this);
    // Last, as nothing would close it if the loop did not take the listener.
    this.#spare = new SpareFd();
  }

  /** One accept round. */
  onEvents(events: number): void {
    this.#round(events);
    this.#registration.onRoundEnd?.();
  }

  #round(events: number): void {
    let failures = 0;
    let shortage = 0;
    for (let count = 0; count < this.#clientsPerRound; count += 1) {
      if (!this.#isTaking) return;
      const fd = accept4(this.#fd, ACCEPT_FLAGS, this.#address);
      if (fd >= 0) {
        this.#backoff.end();
        this.#deliver(fd);
      } else if (fd === -EAGAIN) {
        if (shortage !== 0) return this.rest('accept4', shortage);
        if (this.#wasShutDown(events, count)) return this.#fail(-EINVAL);
        return this.#resume();
      } else if (EXHAUSTED.has(-fd)) {
        if (!NO_FDS.has(-fd) || !this.#turnAway()) return this.rest('accept4', fd);
        shortage = fd;
      } else if (TRANSIENT.has(-fd)) {
        // If every accept fails (a firewall's EPERM), the listener would be ready without end.
        failures += 1;
        if (failures === this.#clientsPerRound) shortage = fd;
      } else {
        return this.#fail(fd);
      }
    }
    if (shortage !== 0) this.rest('accept4', shortage);
    else if (this.#trigger === 'edge') this.#registration.requeue(EPOLLIN);
    else this.#resume();
  }

  onRevoked(reason: Error): void {
    this.close();
    this.#handler.onRevoked(reason);
  }

  /** Take no more connections. */
  close(): void {
    this.#state = 'closed';
    this.#loop.timers.cancel(this.#rest);
    this.#registration.remove();
    this.#spare.give();
  }

  /**
   * Take all waiting clients before the listener is closed: closing a listener resets the
   * connections in its backlog, which are connected as far as their clients know. A TCP listener
   * cannot be closed entirely without loss: a client that completes its handshake after the last
   * accept is reset.
   */
  takeAll(): void {
    for (let count = 0; count < TAKE_ALL_LIMIT && this.#state === 'open'; count += 1) {
      const fd = accept4(this.#fd, ACCEPT_FLAGS, this.#address);
      if (fd >= 0) this.#deliver(fd);
      else if (TRANSIENT.has(-fd)) continue;
      else if (!NO_FDS.has(-fd) || !this.#turnAway()) return;
    }
  }

  /** A connection closes, so there will be an fd: end the rest. */
  onRoom(): void {
    if (!this.#rest.scheduled) return;
    this.#loop.timers.cancel(this.#rest);
    this.#goOn();
  }

  /**
   * Take nothing for a while, because `syscall` has failed for lack of something: `outcome` is
   * -errno.
   */
  rest(syscall: string, outcome: number): void {
    if (!this.#isTaking) return;
    this.#registration.modify(0);
    this.#loop.timers.schedule(this.#rest, this.#backoff.nextRestMs());
    const error = this.#backoff.report(syscall, outcome, this.#fd);
    if (error !== null) this.#handler.onAcceptError(error);
  }

  ref(): void {
    this.#registration.ref();
  }

  unref(): void {
    this.#registration.unref();
  }

  get #isTaking(): boolean {
    return this.#state === 'open' && !this.#rest.scheduled;
  }

  #deliver(fd: number): void {
    this.#emptyRounds = 0;
    try {
      this.#handler.onAccept(fd);
    } catch (error) {
      this.#loop.uncaught(error);
    }
  }

  #resume(): void {
    if (this.#trigger === 'oneshot') this.#registration.rearm();
  }

  /**
   * A unix listener that was shut down is ready for ever, and has no clients. TCP's returns EINVAL.
   */
  #wasShutDown(events: number, taken: number): boolean {
    if ((events & EPOLLHUP) !== 0 || taken > 0) return (events & EPOLLHUP) !== 0;
    this.#emptyRounds += 1;
    return this.#emptyRounds % EMPTY_ROUNDS === 0 && isReadingShut(this.#fd);
  }

  /** The rest is over. The kernel checks again, so an edge is not lost either. */
  #goOn(): void {
    if (this.#state === 'closed') return;
    this.#spare.take();
    this.#registration.modify(MASKS[this.#trigger]);
  }

  /** Accept a waiting client, and close it. False if that failed. */
  #turnAway(): boolean {
    if (!this.#spare.give()) return false;
    const fd = accept4(this.#fd, ACCEPT_FLAGS, this.#address);
    if (fd >= 0) {
      this.#backoff.turnAway();
      try {
        this.#handler.onNoFds(fd);
      } catch (error) {
        this.#loop.uncaught(error);
      }
    }
    // A listener may have closed the server.
    if (this.#state === 'open') this.#spare.take();
    return fd >= 0;
  }

  /**
   * It is not this connection's error, and the table is not full: the listener itself is unusable.
   */
  #fail(outcome: number): void {
    this.close();
    this.#handler.onListenerFailed(new SystemError('accept4', outcome, { fd: this.#fd }));
  }
}
