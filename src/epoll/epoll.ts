/**
 * One epoll instance: the three calls of epoll(7) as a class.
 *
 * It knows fds and masks, but no handlers, no timers and no loop of Node; {@link EventLoop} is
 * built on it. `wait` blocks the calling thread, as epoll_wait(2) does. Any thread may use its own
 * `Epoll` on the same epoll fd (see {@link Epoll.fromFd}).
 */

import { fstatSync } from 'node:fs';
import {
  checkFd,
  checkInteger,
  checkMask,
  checkOptions,
  checkUint,
  invalidType,
  outOfRange,
} from '../base/check';
import {
  createEventBuffer,
  EVENT_DATA_HIGH_WORD,
  EVENT_DATA_LOW_WORD,
  EVENT_MASK_WORD,
  MAX_EVENTS,
} from '../sys/abi';
import * as constants from '../sys/constants';
import { epollCreate1, epollCtl, epollWait } from '../sys/epoll';
import { errno, SystemError, unwrap } from '../sys/errno';
import { closeOwned, own } from '../sys/ownership';
import { encodeSignalSet } from '../sys/signal-set';
import { type BusyPoll, readBusyPoll, writeBusyPoll } from './busy-poll';
import { EventList } from './event-list';
import { preciseWait } from './precise-wait';
import { checkTimeout, toWholeMs } from './timeout';

const { EBADF, EEXIST, EINTR, ENOENT, EPERM } = errno;

/** The user data of an event, `data.u64`, as two unsigned 32-bit halves. */
export interface EventData {
  readonly low: number;
  readonly high: number;
}

/** Options of {@link Epoll.wait}. */
export interface WaitOptions {
  /**
   * Milliseconds to wait, up to 2**31 - 1 (24.8 days). 0 returns at once; Infinity, the default,
   * and -1 wait without end. epoll_pwait2(2) waits for a fraction to the nanosecond; where the
   * kernel lacks it, the time is rounded up to a millisecond, so that a wait is never too short.
   */
  timeoutMs?: number;
  /**
   * Block exactly these signals during the wait: numbers or names. They do not end it, and are
   * delivered after it. If not given, the thread's own mask stays.
   */
  signalMask?: readonly (number | NodeJS.Signals)[];
}

/** Options of the constructor. */
export interface EpollOptions {
  /** The most events one `wait` returns, 1 to 65,535; 256 if not given. */
  maxEvents?: number;
}

const { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLL_CLOEXEC } = constants;

const OPTIONS = ['maxEvents'] as const;
/** The names of {@link WaitOptions}. */
export const WAIT_OPTIONS: readonly string[] = ['timeoutMs', 'signalMask'];

const MAX_DATA = 0xffff_ffff_ffff_ffffn;
const LOW_HALF = 0xffff_ffffn;
const HALF_BITS = 32n;

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
    checkOptions('Epoll', options, OPTIONS);
    const { maxEvents = 256 } = options;
    checkInteger('maxEvents', maxEvents, 1, MAX_EVENTS);
    this.#events = new EventList(maxEvents);
    if (fd !== undefined) checkFd(fd);
    this.#fd = fd ?? own(unwrap(epollCreate1(EPOLL_CLOEXEC), 'epoll_create1'));
  }

  /**
   * Take over an existing epoll fd: inherited, received over a socket, or shared with another
   * thread. `close` closes it, so give each owner its own duplicate or close only once.
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
   * The kernel returns `data` with each event ({@link EventList.data64}, or `low` and `high`): 64
   * bits, as a bigint from 0n to 2n**64n - 1n or as two halves; the fd itself if not given. Throws
   * a {@link SystemError}: EEXIST (already added), EPERM (a regular file or directory), EBADF (not
   * open), ELOOP, EINVAL, ENOMEM, ENOSPC.
   */
  add(fd: number, events: number, data?: EventData | bigint): void {
    this.#control(EPOLL_CTL_ADD, fd, events, data);
  }

  /**
   * `epoll_ctl(EPOLL_CTL_MOD)`: replace the mask and the data. EPOLLET and EPOLLONESHOT must be
   * given again. If the fd is ready now, the kernel reports it (again); this re-arms a one-shot fd.
   * Throws ENOENT if `fd` was not added.
   */
  modify(fd: number, events: number, data?: EventData | bigint): void {
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
   * handlers can run. Throws a TypeError or RangeError for wrong options, and for an undefined
   * timeout or mask.
   */
  wait(options: WaitOptions = {}): EventList {
    // A number, as for epoll_wait(2), or a `timeout` would otherwise mean no timeout at all.
    checkOptions('Epoll.wait', options, WAIT_OPTIONS);
    const { timeoutMs = Infinity, signalMask } = options;
    checkTimeout(timeoutMs);
    const list = this.#events;
    if (signalMask === undefined && !(timeoutMs % 1 > 0)) {
      this.waitInto(list, toWholeMs(timeoutMs));
      return list;
    }
    const mask = signalMask === undefined ? null : encodeSignalSet(signalMask, 'signalMask');
    const fd = this.#open();
    list.length = this.#counted(preciseWait(fd, list, timeoutMs, mask), 'epoll_pwait');
    return list;
  }

  /**
   * As {@link wait}, into the caller's list. `timeoutMs` is an integer, -1 for no end. Returns the
   * number of events; allocates nothing.
   */
  waitInto(list: EventList, timeoutMs: number): number {
    if (!(list instanceof EventList)) throw invalidType('list', 'an EventList', list);
    const outcome = epollWait(this.#open(), list.words, list.capacity, timeoutMs);
    const count = this.#counted(outcome, 'epoll_wait');
    list.length = count;
    return count;
  }

  /**
   * How this set polls network cards while it waits. Reading and setting it throws a
   * {@link SystemError}: ENOTTY before Linux 6.9. See {@link BusyPoll} and ioctl_eventpoll(2).
   */
  get busyPoll(): BusyPoll {
    return readBusyPoll(this.#open());
  }

  set busyPoll(parameters: BusyPoll) {
    writeBusyPoll(this.#open(), parameters);
  }

  /**
   * Close the epoll fd. A second call does nothing. This does not wake a thread that is blocked in
   * `wait` on the same fd: use a {@link Waker} first.
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

  #counted(outcome: number, syscall: string): number {
    if (outcome >= 0) return outcome;
    if (outcome !== -EINTR) throw new SystemError(syscall, outcome, { fd: this.#fd });
    return 0;
  }

  #control(op: number, fd: number, events: number, data: EventData | bigint | undefined): void {
    checkFd(fd);
    const mask = checkMask('events', events);
    if (data === undefined) writeData(fd, 0);
    else if (typeof data === 'bigint') writeBigData(data);
    else writeHalves(data);
    scratch[EVENT_MASK_WORD] = mask;
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
        reason: `fd ${fd} is ${kindOf(fd)}, which is always ready and cannot be watched`,
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

/** The kind of an fd that epoll refuses. */
function kindOf(fd: number): string {
  const stats = fstatSync(fd);
  if (stats.isFile()) return 'a regular file';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isCharacterDevice()) return 'a device such as /dev/null';
  return stats.isBlockDevice() ? 'a block device' : 'of a kind without events';
}

function writeData(low: number, high: number): void {
  scratch[EVENT_DATA_LOW_WORD] = low;
  scratch[EVENT_DATA_HIGH_WORD] = high;
}

function writeHalves(data: EventData): void {
  if (typeof data !== 'object' || data === null) {
    throw invalidType('data', 'a bigint or an object with low and high', data);
  }
  const { low, high } = data;
  checkUint('data.low', low);
  checkUint('data.high', high);
  writeData(low, high);
}

function writeBigData(data: bigint): void {
  if (data < 0n || data > MAX_DATA) throw outOfRange('data', `>= 0n and <= ${MAX_DATA}n`, data);
  writeData(Number(data & LOW_HALF), Number(data >> HALF_BITS));
}
