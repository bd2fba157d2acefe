/**
 * One epoll instance: the three calls of epoll(7) as a class.
 *
 * It knows fds and masks, nothing of handlers, timers or Node's loop; {@link EventLoop} is built on
 * it. `wait` blocks the calling thread, as epoll_wait(2) does. Any thread may use its own `Epoll` on
 * the same epoll fd (see {@link Epoll.fromFd}).
 */

import {
  createEventBuffer,
  EVENT_DATA_HIGH_WORD,
  EVENT_DATA_LOW_WORD,
  EVENT_MASK_WORD,
} from '../sys/abi';
import { checkFd, checkUint, INT32_MAX, invalidType, outOfRange } from '../sys/check';
import * as constants from '../sys/constants';
import { epollCreate1, epollCtl, epollWait } from '../sys/epoll';
import { errno, SystemError, unwrap } from '../sys/errno';
import { closeOwned, own } from '../sys/ownership';
import { EventList } from './event-list';

const { EBADF, EEXIST, EINTR, ENOENT, EPERM } = errno;

/** The user data of an event, `data.u64`, as two unsigned 32-bit halves. */
export interface EventData {
  readonly low: number;
  readonly high: number;
}

/** Options of {@link Epoll.wait}. */
export interface WaitOptions {
  /**
   * Milliseconds to wait. 0 returns at once; Infinity, the default, waits without end. A fraction
   * is rounded up, so that a wait is never too short.
   */
  timeoutMs?: number;
}

/** Options of the constructor. */
export interface EpollOptions {
  /** The most events one `wait` returns, 1 to 65,535; 256 if not given. */
  maxEvents?: number;
}

const { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLL_CLOEXEC } = constants;

// One event for epoll_ctl(2), which has read it before it returns.
const scratch = createEventBuffer(1);

/** One epoll instance. */
export class Epoll {
  readonly #events: EventList;
  #fd: number;

  /**
   * `epoll_create1(EPOLL_CLOEXEC)`. Throws EMFILE or ENFILE when there are no fds left. The second
   * parameter is for {@link Epoll.fromFd}.
   */
  constructor(options: EpollOptions = {}, fd?: number) {
    this.#events = new EventList(options.maxEvents);
    if (fd !== undefined) checkFd(fd);
    this.#fd = fd ?? own(unwrap(epollCreate1(EPOLL_CLOEXEC), 'epoll_create1'));
  }

  /**
   * Take over an epoll fd that exists already: inherited, received over a socket, or shared with
   * another thread. `close` closes it, so give each owner its own duplicate or close only once.
   */
  static fromFd(fd: number, options: EpollOptions = {}): Epoll {
    return new Epoll(options, fd);
  }

  /** The epoll fd, or -1 once closed. It is itself pollable: readable while an event is ready. */
  get fd(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  /**
   * `epoll_ctl(EPOLL_CTL_ADD)`: watch `fd` for `events`, a mask of EPOLLIN and so on.
   *
   * `data` comes back with each event; if not given it is the fd itself. Throws a
   * {@link SystemError}: EEXIST (already added), EPERM (a regular file or directory), EBADF (not
   * open), ELOOP, EINVAL, ENOMEM, ENOSPC.
   */
  add(fd: number, events: number, data?: EventData): void {
    this.#control(EPOLL_CTL_ADD, fd, events, data);
  }

  /**
   * `epoll_ctl(EPOLL_CTL_MOD)`: replace the mask and the data. EPOLLET and EPOLLONESHOT must be
   * given again. If the fd is ready now it is reported (again), which is how a one-shot fd is
   * re-armed. Throws ENOENT if `fd` was not added.
   */
  modify(fd: number, events: number, data?: EventData): void {
    this.#control(EPOLL_CTL_MOD, fd, events, data);
  }

  /** `epoll_ctl(EPOLL_CTL_DEL)`. Throws ENOENT if `fd` was not added, EBADF if it is closed. */
  remove(fd: number): void {
    const outcome = epollCtl(this.#open(), EPOLL_CTL_DEL, fd, null);
    if (outcome < 0) throw controlError(outcome, fd);
  }

  /**
   * `epoll_wait`: block this thread until something is ready or the time is up.
   *
   * Returns this instance's own list, empty at the timeout, valid until the next `wait`. A signal
   * ends the wait early with an empty list, so that the caller can return to Node and its signal
   * handlers can run.
   */
  wait(options: WaitOptions = {}): EventList {
    const { timeoutMs = Infinity } = options;
    this.waitInto(this.#events, roundTimeout(timeoutMs));
    return this.#events;
  }

  /**
   * As {@link wait}, into a list of the caller's. `timeoutMs` is an integer, -1 for no end. Returns
   * the number of events; allocates nothing.
   */
  waitInto(list: EventList, timeoutMs: number): number {
    let count = epollWait(this.#open(), list.words, list.capacity, timeoutMs);
    if (count < 0) {
      if (count !== -EINTR) throw new SystemError('epoll_wait', count, { fd: this.#fd });
      count = 0;
    }
    list.length = count;
    return count;
  }

  /**
   * Close the epoll fd. A second call does nothing. A thread blocked in `wait` on the same fd is
   * not woken: use a {@link Waker} first.
   */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    unwrap(closeOwned(fd), 'close', { fd });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #control(op: number, fd: number, events: number, data: EventData | undefined): void {
    checkUint('events', events);
    scratch[EVENT_MASK_WORD] = events;
    scratch[EVENT_DATA_LOW_WORD] = data === undefined ? fd : data.low;
    scratch[EVENT_DATA_HIGH_WORD] = data === undefined ? 0 : data.high;
    const outcome = epollCtl(this.#open(), op, fd, scratch);
    if (outcome < 0) throw controlError(outcome, fd);
  }

  #open(): number {
    if (this.#fd < 0) throw new SystemError('epoll', EBADF, { reason: 'it is closed' });
    return this.#fd;
  }
}

function controlError(outcome: number, fd: number): SystemError {
  switch (-outcome) {
    case EPERM:
      return new SystemError('epoll_ctl', outcome, {
        reason: `fd ${fd} is a regular file or directory, which is always ready and cannot be watched`,
        fd,
      });
    case EBADF:
      return new SystemError('epoll_ctl', outcome, { reason: `fd ${fd} is not open`, fd });
    case EEXIST:
      return new SystemError('epoll_ctl', outcome, { reason: `fd ${fd} is already added`, fd });
    case ENOENT:
      return new SystemError('epoll_ctl', outcome, { reason: `fd ${fd} was not added`, fd });
    default:
      return new SystemError('epoll_ctl', outcome, { fd });
  }
}

function roundTimeout(timeoutMs: number): number {
  if (typeof timeoutMs !== 'number') throw invalidType('timeoutMs', 'a number', timeoutMs);
  if (timeoutMs === Infinity || timeoutMs === -1) return -1;
  if (!(timeoutMs >= 0 && timeoutMs <= INT32_MAX)) {
    throw outOfRange('timeoutMs', `Infinity, -1, or >= 0 and <= ${INT32_MAX}`, timeoutMs);
  }
  return Math.ceil(timeoutMs);
}
