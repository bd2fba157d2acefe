/**
 * The API of the npm package `epoll` 4.x on our loop: change `require('epoll')` to
 * `require('epoll-ffi/compat/epoll')`. There is nothing to compile any more, also not at each Node
 * release.
 *
 * The same: the constructor and its callback, the chainable `add`, `modify` and `remove`, `close`,
 * `closed`, the constants, and that watched fds hold the process open. Level-triggered is the
 * default.
 *
 * Different, where the original crashes or confuses:
 * - it runs in the main thread and in workers, also at once; each thread has a loop of its own;
 * - an fd that was closed without `remove` may be added again, by any instance. If another instance
 *   takes its number over, the former one's callback gets EBADF; no event goes to the wrong
 *   callback;
 * - `remove` and `close` may come after the fd is gone;
 * - an instance changes only the fds it added itself;
 * - errors have `code`, `errno` and `syscall`.
 */
import { epollClosed, wrongType } from '../base/errors';
import type { EventHandler, Registration } from '../loop/registration';
import * as constants from '../sys/constants';
import { errno, SystemError } from '../sys/errno';
import { oneByOneLoop } from './one-by-one-loop';

/** Called with events: `events` is the mask, unsigned. With an error there are no events. */
export type EpollCallback = (error: Error | null, fd: number, events: number) => void;

/** The fds of one instance. */
type WatchedFds = Map<number, Watched>;

/** One fd of one instance. */
class Watched implements EventHandler {
  readonly registration: Registration;
  /** The same instance adds the fd again, so the former callback does not get EBADF. */
  isReplaced = false;
  readonly #fd: number;
  readonly #siblings: WatchedFds;
  readonly #callback: EpollCallback;

  constructor(fd: number, events: number, siblings: WatchedFds, callback: EpollCallback) {
    this.#fd = fd;
    this.#siblings = siblings;
    this.#callback = callback;
    this.registration = oneByOneLoop().add(fd, events, this);
  }

  onEvents(events: number): void {
    const callback = this.#callback;
    callback(null, this.#fd, events);
  }

  onRevoked(reason: Error): void {
    if (this.isReplaced) return;
    this.#siblings.delete(this.#fd);
    const callback = this.#callback;
    callback(reason, this.#fd, 0);
  }
}

/** As the class of the same name in the package `epoll`. */
export class Epoll {
  static readonly EPOLLIN = constants.EPOLLIN;
  static readonly EPOLLOUT = constants.EPOLLOUT;
  static readonly EPOLLRDHUP = constants.EPOLLRDHUP;
  static readonly EPOLLPRI = constants.EPOLLPRI;
  static readonly EPOLLERR = constants.EPOLLERR;
  static readonly EPOLLHUP = constants.EPOLLHUP;
  static readonly EPOLLET = constants.EPOLLET;
  static readonly EPOLLONESHOT = constants.EPOLLONESHOT;

  readonly #callback: EpollCallback;
  readonly #watched: WatchedFds = new Map();
  #isClosed = false;

  /** `callback` is called with `(null, fd, events)`, once for each fd that is ready. */
  constructor(callback: EpollCallback) {
    if (typeof callback !== 'function') {
      throw wrongType('First argument to constructor must be a callback');
    }
    this.#callback = callback;
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /**
   * Watch `fd` for `events`, a mask of `Epoll.EPOLLIN` and so on. Throws EEXIST if the fd is watched
   * already, also by another instance of this thread; EPERM for a regular file; EBADF.
   */
  add(fd: number, events: number): this {
    this.#check('add', fd, events);
    const former = this.#watched.get(fd);
    if (former !== undefined) former.isReplaced = true;
    try {
      this.#watched.set(fd, new Watched(fd, events >>> 0, this.#watched, this.#callback));
    } catch (error) {
      if (former !== undefined) former.isReplaced = false;
      throw error;
    }
    return this;
  }

  /** Watch `fd` for other events; this also re-arms an EPOLLONESHOT. Throws ENOENT, EBADF. */
  modify(fd: number, events: number): this {
    this.#check('modify', fd, events);
    this.#of(fd).registration.modify(events >>> 0);
    return this;
  }

  /** Stop watching `fd`. Throws ENOENT if it was not added. */
  remove(fd: number): this {
    this.#check('remove', fd, 0);
    this.#of(fd).registration.remove();
    this.#watched.delete(fd);
    return this;
  }

  /** Stop watching everything. The fds stay open. Throws if called twice; returns null. */
  close(): null {
    if (this.#isClosed) throw epollClosed('close', 'more than once');
    this.#isClosed = true;
    for (const { registration } of this.#watched.values()) registration.remove();
    this.#watched.clear();
    return null;
  }

  #of(fd: number): Watched {
    const watched = this.#watched.get(fd);
    if (watched !== undefined) return watched;
    throw new SystemError('epoll_ctl', errno.ENOENT, { reason: `fd ${fd} was not added`, fd });
  }

  #check(method: 'add' | 'modify' | 'remove', fd: unknown, events: unknown): void {
    if (this.#isClosed) throw epollClosed(method, 'after calling close');
    if (isInt32(fd) && (isInt32(events) || isUint32(events))) return;
    const signature = method === 'remove' ? '(int fd)' : '(int fd, int events)';
    throw wrongType(`incorrect arguments passed to ${method}${signature}`);
  }
}

function isInt32(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value;
}

/** Masks with EPOLLET are negative if they were combined with `|`, and positive if not. */
function isUint32(value: unknown): value is number {
  return typeof value === 'number' && value >>> 0 === value;
}
