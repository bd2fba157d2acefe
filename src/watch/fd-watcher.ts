/**
 * An EventEmitter on any pollable fd: timerfd, signalfd, inotify, a pty, a GPIO line, a socket.
 *
 * It reports readiness and does no I/O of its own: read or write the fd in the listener, until
 * EAGAIN if the watcher is edge-triggered. Listeners run on the loop's thread, outside any
 * AsyncLocalStorage.
 */
import { EventEmitter } from 'eventemitter3';
import type { z as zod } from 'zod';
import { isAbortSignal, NO_SIGNAL } from '../base/abort-signal';
import { checkFd, checkMask } from '../base/check';
import { watcherClosed } from '../base/errors';
import { LazyOptions } from '../base/lazy-options';
import { reportFailure } from '../base/unheard';
import { maskOfWords } from '../epoll/interest';
import { defaultLoop } from '../loop/default-loop';
import { EventLoop } from '../loop/event-loop';
import { isFdGone, type Registration } from '../loop/registration';
import * as constants from '../sys/constants';
import { SystemError, unwrap } from '../sys/errno';
import { closeOwned, disown, own } from '../sys/ownership';
import { EventIterator } from './event-iterator';
import { pendingError } from './pending-error';

const { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } = constants;

/** Options of {@link watch} and {@link FdWatcher}. */
export interface FdWatcherOptions {
  /** EPOLLIN: emit when there is something to read. The default if no other option is given. */
  readable?: boolean;
  /** EPOLLOUT: emit when a write would take some bytes. */
  writable?: boolean;
  /** EPOLLPRI: urgent data, a GPIO edge, a PSI threshold. */
  priority?: boolean;
  /** EPOLLRDHUP: emit when the peer of a socket has shut down its writing half. */
  peerClosed?: boolean;
  /** EPOLLET: emit changes, not states. */
  edge?: boolean;
  /** EPOLLONESHOT: emit once, and not again until {@link FdWatcher.rearm}. */
  oneShot?: boolean;
  /** EPOLLEXCLUSIVE: of several epoll sets with this fd, wake at least one and not all. */
  exclusive?: boolean;
  /** Close the fd when the watcher is closed. Not the default: the fd is the caller's. */
  autoClose?: boolean;
  /** Close the watcher when this is aborted. */
  signal?: AbortSignal;
  /** The loop that watches; this thread's default loop if not given. */
  loop?: EventLoop;
}

const watcherOptions = new LazyOptions(
  'FdWatcher',
  { edge: false, oneShot: false, exclusive: false, autoClose: false },
  (z) =>
    z.strictObject({
      ...interestFields(z),
      exclusive: z.boolean().default(false),
      autoClose: z.boolean().default(false),
      signal: z.custom<AbortSignal>(isAbortSignal, { error: NO_SIGNAL }).optional(),
      loop: z.instanceof(EventLoop).optional(),
    }),
);
const interestOptions = new LazyOptions('FdWatcher.modify', { edge: false, oneShot: false }, (z) =>
  z.strictObject(interestFields(z)),
);

function interestFields(z: typeof zod) {
  return {
    readable: z.boolean().optional(),
    writable: z.boolean().optional(),
    priority: z.boolean().optional(),
    peerClosed: z.boolean().optional(),
    edge: z.boolean().default(false),
    oneShot: z.boolean().default(false),
  };
}

/** The argument of {@link FdWatcher.modify}: the whole new interest. */
export type FdInterest = Pick<
  FdWatcherOptions,
  'readable' | 'writable' | 'priority' | 'peerClosed' | 'edge' | 'oneShot'
>;

/** Events of an {@link FdWatcher}. `events` is the kernel's mask, unsigned. */
export interface FdWatcherEvents {
  /** Any event; emitted before the others. */
  events: [events: number];
  /** EPOLLIN, or EPOLLHUP while watching for it: a read will not block, but may find the end. */
  readable: [events: number];
  /** EPOLLOUT. */
  writable: [events: number];
  /** EPOLLPRI. */
  priority: [events: number];
  /**
   * EPOLLHUP or EPOLLRDHUP: the other end is gone, or will write no more. There may still be data.
   */
  hangup: [events: number];
  /**
   * EPOLLERR, with the pending error of a socket; or the fd was closed while it was watched.
   * Without a listener the watcher closes and the error becomes an uncaught exception.
   */
  error: [error: Error];
  /** The watcher is closed; nothing follows. */
  close: [];
}

/** Watches one fd. An emitter of eventemitter3: `instanceof` the EventEmitter of node:events is false. */
export class FdWatcher extends EventEmitter<FdWatcherEvents> implements AsyncIterable<number> {
  readonly #fd: number;
  #autoClose: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #registration: Registration;
  readonly #onAbort = (): void => this.#end(this.#signal?.reason);
  #iterator: EventIterator<number> | null = null;
  #state: 'open' | 'closed' = 'open';

  /**
   * `options` may be a mask instead: `EPOLLIN | EPOLLET`.
   *
   * Throws a TypeError that names a wrong option, a {@link SystemError} EPERM for a regular file or
   * directory, EBADF for an fd that is not open, EEXIST for one the loop watches already, and the
   * signal's reason if it is aborted already. The fd should be non-blocking.
   */
  constructor(fd: number, options: FdWatcherOptions | number = {}) {
    super();
    checkFd(fd);
    const isMask = typeof options === 'number';
    const settings = watcherOptions.parse(isMask ? {} : options);
    const mask = isMask ? checkMask('events', options) : maskOf(settings);
    settings.signal?.throwIfAborted();
    this.#fd = fd;
    this.#autoClose = settings.autoClose;
    this.#signal = settings.signal;
    const loop = settings.loop ?? defaultLoop();
    this.#registration = loop.add(fd, mask, this);
    if (this.#autoClose) own(fd);
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** The fd, also after the watcher was closed. */
  get fd(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** Replace the whole interest with `interest`, words or a mask. */
  modify(interest: FdInterest | number): this {
    this.#assertOpen('modify');
    if (typeof interest === 'number') {
      this.#registration.modify(interest);
      return this;
    }
    const settings = interestOptions.parse(interest);
    this.#registration.modify(maskOf(settings));
    return this;
  }

  /** Emit again: a one-shot watcher that has emitted, or an fd that is still ready. */
  rearm(): this {
    this.#assertOpen('rearm');
    this.#registration.rearm();
    return this;
  }

  /** Hold the process open while watching; the default. */
  ref(): this {
    this.#registration.ref();
    return this;
  }

  /** Do not hold the process open. */
  unref(): this {
    this.#registration.unref();
    return this;
  }

  /** Stop watching, and close the fd if `autoClose` was set. A second call does nothing. */
  close(): void {
    this.#end(undefined);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The masks of readiness in order: `for await (const events of watcher)`. Each step re-arms the
   * fd (as one-shot), so a slow consumer is not flooded and misses nothing that is still ready.
   * Leaving the loop closes the watcher; an abort ends it with the signal's reason.
   */
  [Symbol.asyncIterator](): AsyncIterator<number, void> {
    this.#assertOpen('iterate');
    this.#iterator ??= new EventIterator({
      arm: () => this.#registration.modify((this.#registration.events | EPOLLONESHOT) >>> 0),
      close: () => this.close(),
    });
    return this.#iterator;
  }

  /** For the loop. @internal */
  onEvents(events: number): void {
    this.emit('events', events);
    // sysfs files (GPIO, PSI) report EPOLLPRI together with EPOLLERR: this means "changed".
    const failed = (events & EPOLLERR) !== 0 && (events & EPOLLPRI) === 0;
    if (failed && this.#state === 'open') this.#fail(pendingError(this.#fd));
    if ((events & EPOLLPRI) !== 0) this.#emitIfOpen('priority', events);
    if ((events & EPOLLOUT) !== 0) this.#emitIfOpen('writable', events);
    if ((events & this.#readableMask) !== 0) this.#emitIfOpen('readable', events);
    if ((events & (EPOLLHUP | EPOLLRDHUP)) !== 0) this.#emitIfOpen('hangup', events);
    if (this.#iterator?.isWaiting === true) this.#iterator.push(events);
  }

  /** For the loop. @internal */
  onRevoked(reason: Error): void {
    if (this.#state === 'closed') return;
    // The fd was closed while it was watched: its number may belong to another file now.
    if (isFdGone(reason)) {
      this.#autoClose = false;
      disown(this.#fd);
    }
    try {
      if (reason instanceof SystemError) this.#fail(reason);
    } finally {
      this.#end(undefined);
    }
  }

  /** An empty pipe without a writer is EPOLLHUP alone: a reader must also get the end. */
  get #readableMask(): number {
    const asked = (this.#registration.events & EPOLLIN) !== 0;
    return asked ? EPOLLIN | EPOLLHUP : EPOLLIN;
  }

  #emitIfOpen(name: 'readable' | 'writable' | 'priority' | 'hangup', events: number): void {
    if (this.#state === 'open') this.emit(name, events);
  }

  #fail(error: Error): void {
    if (this.#iterator !== null) return this.#end(error);
    if (this.listenerCount('error') === 0) this.#end(undefined);
    reportFailure(this, error);
  }

  #end(reason: unknown): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#registration.remove();
    this.#iterator?.end(reason);
    try {
      this.emit('close');
    } finally {
      if (this.#autoClose) unwrap(closeOwned(this.#fd), 'close', { fd: this.#fd });
    }
  }

  #assertOpen(action: string): void {
    if (this.#state === 'closed') throw watcherClosed(action, this.#fd);
  }
}

function maskOf(
  settings: zod.output<typeof interestOptions.schema> & { exclusive?: boolean },
): number {
  const { readable, writable, priority, peerClosed } = settings;
  const asked = [readable, writable, priority, peerClosed].some((wish) => wish !== undefined);
  return maskOfWords(asked ? settings : { ...settings, readable: true });
}

/**
 * Watch `fd` on this thread's default loop, or on `options.loop`. A function instead of options is
 * called whenever there is something to read: `watch(0, () => ...)`. A number is the mask to watch
 * for: `watch(fd, EPOLLIN | EPOLLET)`.
 *
 * See {@link FdWatcher} for the events, the options and the errors.
 */
export function watch(
  fd: number,
  options: FdWatcherOptions | number | ((events: number) => void) = {},
): FdWatcher {
  if (typeof options !== 'function') return new FdWatcher(fd, options);
  return new FdWatcher(fd).on('readable', options);
}
