/**
 * poll(2), and ppoll(2): the same with nanoseconds and a signal mask. Arguments are checked, results
 * are `n >= 0` or `-errno`.
 *
 * Both look at every fd of the array in each call, which is why epoll exists; they need no fd of
 * their own, and take regular files, which are always ready.
 */

import { checkInt, checkInteger, checkRoom, INT32_MAX } from '../base/check';
import {
  MAX_EVENTS,
  POLLFD_BYTES,
  POLLFD_EVENTS_BYTE,
  POLLFD_REVENTS_BYTE,
  pollfd,
  timespec,
} from './abi';
import { declare, pointerTo, result } from './libc';
import { checkSignalMask } from './signal-set';
import { encodeTimeout, type Timespec } from './timespec';

// nfds_t is an unsigned long.
const pollfdPointer = pointerTo(pollfd);
const native = {
  poll: declare('int', 'poll', [pollfdPointer, 'unsigned long', 'int']),
  ppoll: declare('int', 'ppoll', [pollfdPointer, 'unsigned long', pointerTo(timespec), 'void *']),
};

const MAX_MASK = 0xffff;

/** An array of `struct pollfd`, to fill before {@link poll} and to read after it. */
export class PollList {
  /** The capacity in fds. */
  readonly capacity: number;
  /** The memory that the kernel reads and writes. */
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  /** Room for `capacity` fds, 1 to 65,535. All are -1 at first, which the kernel skips. */
  constructor(capacity: number) {
    checkInteger('capacity', capacity, 1, MAX_EVENTS);
    this.capacity = capacity;
    this.bytes = new Uint8Array(capacity * POLLFD_BYTES);
    this.#view = new DataView(this.bytes.buffer);
    for (let index = 0; index < capacity; index += 1) this.set(index, -1, 0);
  }

  /**
   * Put `fd` at `index`, to wait for `events`: a mask of POLLIN and so on. The kernel skips a
   * negative fd. Clears the last result of `index`.
   */
  set(index: number, fd: number, events: number): void {
    checkInteger('index', index, 0, this.capacity - 1);
    checkInt('fd', fd);
    checkInteger('events', events, 0, MAX_MASK);
    const start = index * POLLFD_BYTES;
    this.#view.setInt32(start, fd, true);
    this.#view.setUint16(start + POLLFD_EVENTS_BYTE, events, true);
    this.#view.setUint16(start + POLLFD_REVENTS_BYTE, 0, true);
  }

  /** The fd at `index`. */
  fd(index: number): number {
    checkInteger('index', index, 0, this.capacity - 1);
    return this.#view.getInt32(index * POLLFD_BYTES, true);
  }

  /** The mask that the fd at `index` waits for. */
  events(index: number): number {
    checkInteger('index', index, 0, this.capacity - 1);
    return this.#view.getUint16(index * POLLFD_BYTES + POLLFD_EVENTS_BYTE, true);
  }

  /** The last result of `index`: also POLLERR, POLLHUP and POLLNVAL; 0 for none. */
  revents(index: number): number {
    checkInteger('index', index, 0, this.capacity - 1);
    return this.#view.getUint16(index * POLLFD_BYTES + POLLFD_REVENTS_BYTE, true);
  }
}

/**
 * `int poll(struct pollfd *fds, nfds_t nfds, int timeout)`
 *
 * `fds` is {@link PollList.bytes}, of which the first `count` entries are used. `timeoutMs` 0
 * returns at once, -1 waits without end. Returns how many fds have something in `revents`, 0 at the
 * timeout, or -EINTR, -EINVAL (more than RLIMIT_NOFILE), -ENOMEM. An fd that is not open is no
 * error but POLLNVAL. Blocks this thread, and all its JavaScript, for up to `timeoutMs`. See
 * poll(2).
 */
export function poll(fds: Uint8Array, count: number, timeoutMs: number): number {
  checkFds(fds, count);
  checkInteger('timeoutMs', timeoutMs, -1, INT32_MAX);
  return result(native.poll(fds, count, timeoutMs));
}

/**
 * `int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *tmo_p,
 *            const sigset_t *sigmask)`
 *
 * As {@link poll} with a timeout in nanoseconds; null waits without end. During the wait `mask`,
 * from {@link encodeSignalSet}, is the thread's signal mask; null leaves the thread's own. Blocks.
 * See ppoll(2).
 */
export function ppoll(
  fds: Uint8Array,
  count: number,
  timeout: Timespec | null,
  mask: Uint8Array | null = null,
): number {
  const memory = encodeTimeout(timeout);
  checkFds(fds, count);
  checkSignalMask(mask);
  return result(native.ppoll(fds, count, memory, mask));
}

function checkFds(fds: Uint8Array, count: number): void {
  checkInteger('count', count, 0, MAX_EVENTS);
  checkRoom(fds, count * POLLFD_BYTES, 'fds');
}
