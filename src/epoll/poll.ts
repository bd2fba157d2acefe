/**
 * poll(2) and select(2) in one call each, for small scripts and for comparison with epoll. Both
 * block this thread, and all its JavaScript, until something is ready or the time is up.
 */
import { checkFd, checkObject, checkOptions, invalidType } from '../base/check';
import { errno, SystemError } from '../sys/errno';
import { PollList, ppoll } from '../sys/poll';
import { FdSet, select, type Timeval } from '../sys/select';
import { encodeSignalSet } from '../sys/signal-set';
import { WAIT_OPTIONS, type WaitOptions } from './epoll';
import type { ReadyEvent } from './event-list';
import { checkTimeout, toTimespec } from './timeout';

const { EINTR } = errno;

/**
 * `poll`: returns the ready ones of `interests`, fds with masks of POLLIN and so on, in their
 * order.
 *
 * Empty at the timeout, and when a signal ended the wait. The kernel may report some flags unasked:
 * POLLERR, POLLHUP, and POLLNVAL for an fd that is not open. Regular files are always ready. Throws
 * a {@link SystemError}: EINVAL for more fds than RLIMIT_NOFILE. Blocks. See ppoll(2).
 */
export function pollFds(interests: readonly ReadyEvent[], options: WaitOptions = {}): ReadyEvent[] {
  if (!Array.isArray(interests)) throw invalidType('interests', 'an array', interests);
  checkOptions('pollFds', options, WAIT_OPTIONS);
  const { timeoutMs = Infinity, signalMask } = options;
  checkTimeout(timeoutMs);
  const mask = signalMask === undefined ? null : encodeSignalSet(signalMask, 'signalMask');
  const list = new PollList(Math.max(1, interests.length));
  // By index, so that a hole in the list is refused and not skipped.
  for (let index = 0; index < interests.length; index += 1) {
    const interest: unknown = interests[index];
    checkObject(`interests[${index}]`, interest);
    const { fd, events } = interest as ReadyEvent;
    checkFd(fd, `interests[${index}].fd`);
    list.set(index, fd, events);
  }
  const outcome = ppoll(list.bytes, interests.length, toTimespec(timeoutMs), mask);
  if (outcome < 0 && outcome !== -EINTR) throw new SystemError('ppoll', outcome);
  const ready: ReadyEvent[] = [];
  for (let index = 0; outcome > 0 && index < interests.length; index += 1) {
    const events = list.revents(index);
    if (events !== 0) ready.push({ fd: list.fd(index), events });
  }
  return ready;
}

/** The fds that {@link selectFds} checks, and those that it found ready. */
export interface SelectSets {
  /** A read would not block: there are bytes, or a connection, or the end. */
  readable: number[];
  /** A write would take at least some bytes. */
  writable: number[];
  /** Urgent data, and other states that select(2) calls exceptional; not errors. */
  exceptional: number[];
}

/** Options of {@link selectFds}: the fds, each below 1,024, and the timeout of {@link pollFds}. */
export interface SelectOptions {
  readable?: readonly number[];
  writable?: readonly number[];
  exceptional?: readonly number[];
  timeoutMs?: number;
}

/**
 * `select`: returns the ready fds of each list, in their order.
 *
 * All are empty at the timeout, and when a signal ended the wait. Throws a RangeError for an fd of
 * 1,024 or more, which select(2) cannot take, and a {@link SystemError}: EBADF if one is not open.
 * Blocks. See select(2).
 */
export function selectFds(options: SelectOptions): SelectSets {
  checkOptions('selectFds', options, SELECT_OPTIONS);
  const { readable = [], writable = [], exceptional = [], timeoutMs = Infinity } = options;
  checkTimeout(timeoutMs);
  for (const [name, list] of Object.entries({ readable, writable, exceptional })) {
    if (!Array.isArray(list)) throw invalidType(`options.${name}`, 'an array of fds', list);
  }
  const lists = [readable, writable, exceptional];
  const [read, write, except] = lists.map((list) => new FdSet(list)) as [FdSet, FdSet, FdSet];
  const nfds = Math.max(0, ...lists.flat().map((fd) => fd + 1));
  const outcome = select(nfds, read, write, except, toTimeval(timeoutMs));
  if (outcome < 0 && outcome !== -EINTR) throw new SystemError('select', outcome);
  const ready = (list: readonly number[], set: FdSet): number[] =>
    outcome > 0 ? list.filter((fd) => set.has(fd)) : [];
  return {
    readable: ready(readable, read),
    writable: ready(writable, write),
    exceptional: ready(exceptional, except),
  };
}

const SELECT_OPTIONS = ['readable', 'writable', 'exceptional', 'timeoutMs'];

const NANOSECONDS_PER_MICROSECOND = 1_000;
const MICROSECONDS_PER_SECOND = 1_000_000;

function toTimeval(timeoutMs: number): Timeval | null {
  const timespec = toTimespec(timeoutMs);
  if (timespec === null) return null;
  const microseconds = Math.ceil(timespec.nanoseconds / NANOSECONDS_PER_MICROSECOND);
  if (microseconds < MICROSECONDS_PER_SECOND) return { seconds: timespec.seconds, microseconds };
  return { seconds: timespec.seconds + 1, microseconds: 0 };
}
