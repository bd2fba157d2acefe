/**
 * select(2), the oldest of the waits. Arguments are checked, results are `n >= 0` or `-errno`.
 *
 * C's `FD_SET` writes past its memory for an fd of 1,024 or more; here such an fd is a RangeError.
 * For more, or larger, fds there are poll(2) and epoll(7).
 */

import { checkInteger, checkRoom, INT32_MAX, invalidType } from '../base/check';
import { FD_SET_BYTES, TIMEVAL_BYTES, TIMEVAL_MICROSECONDS_BYTE, timeval } from './abi';
import { FD_SETSIZE } from './constants';
import { declare, pointerTo, result } from './libc';

const native = {
  select: declare('int', 'select', ['int', 'void *', 'void *', 'void *', pointerTo(timeval)]),
};

const BITS = 32;

/** A set of fds below FD_SETSIZE (1,024): `fd_set`. Only {@link select} takes it. */
export class FdSet {
  readonly #words = new Uint32Array(FD_SET_BYTES / Uint32Array.BYTES_PER_ELEMENT);

  /** A set that holds `fds`. */
  constructor(fds: Iterable<number> = []) {
    if (typeof fds !== 'object' || fds === null || !(Symbol.iterator in fds)) {
      throw invalidType('fds', 'an iterable of fds', fds);
    }
    for (const fd of fds) this.add(fd);
  }

  /** The memory that the kernel reads and writes: fd 0 is bit 0 of the first word. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** `FD_SET`: put `fd` into the set. Throws a RangeError for an fd of 1,024 or more. */
  add(fd: number): void {
    const index = wordOf(fd);
    this.#words[index] = (this.#words[index] ?? 0) | (1 << (fd % BITS));
  }

  /** `FD_CLR`: take `fd` out of the set. Throws a RangeError for an fd of 1,024 or more. */
  remove(fd: number): void {
    const index = wordOf(fd);
    this.#words[index] = (this.#words[index] ?? 0) & ~(1 << (fd % BITS));
  }

  /** `FD_ISSET`: whether `fd` is in the set. Throws a RangeError for an fd of 1,024 or more. */
  has(fd: number): boolean {
    return ((this.#words[wordOf(fd)] ?? 0) & (1 << (fd % BITS))) !== 0;
  }

  /** `FD_ZERO`: take all fds out of the set. */
  clear(): void {
    this.#words.fill(0);
  }

  /** The memory of `set` for C, whole; null for null. Throws for anything but an FdSet. */
  static memory(set: FdSet | null, name: string): Uint32Array | null {
    if (set === null) return null;
    const isSet = typeof set === 'object' && #words in set;
    if (!isSet) throw invalidType(name, 'an FdSet or null', set);
    // Its owner may have transferred the buffer to another thread.
    checkRoom(set.#words, FD_SET_BYTES, `${name}.words`);
    return set.#words;
  }
}

function wordOf(fd: number): number {
  checkInteger('fd', fd, 0, FD_SETSIZE - 1);
  return Math.floor(fd / BITS);
}

/** `struct timeval`. `seconds` is 0 to 2**31 - 1, `microseconds` 0 to 999,999. */
export interface Timeval {
  seconds: number;
  microseconds: number;
}

const MAX_MICROSECONDS = 999_999;

// The kernel writes the remaining time to it, so it is our own and filled for every call.
const timeoutBytes = new Uint8Array(TIMEVAL_BYTES);
const timeoutView = new DataView(timeoutBytes.buffer);

/**
 * `int select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
 *             struct timeval *timeout)`
 *
 * Looks at the fds below `nfds`, 0 to 1,024, in the three sets, each of which may be null, and
 * leaves in them those that are ready. A timeout of null waits without end. Returns how many are
 * ready in all, 0 at the timeout, or -EBADF (one is not open), -EINTR, -EINVAL, -ENOMEM; after an
 * error the sets are as they were. Blocks this thread, and all its JavaScript. See select(2).
 */
export function select(
  nfds: number,
  readable: FdSet | null,
  writable: FdSet | null,
  exceptional: FdSet | null,
  timeout: Timeval | null,
): number {
  checkInteger('nfds', nfds, 0, FD_SETSIZE);
  const memory = encodeTimeval(timeout);
  const read = FdSet.memory(readable, 'readable');
  const write = FdSet.memory(writable, 'writable');
  const except = FdSet.memory(exceptional, 'exceptional');
  return result(native.select(nfds, read, write, except, memory));
}

function encodeTimeval(timeout: Timeval | null): Uint8Array | null {
  if (timeout === null) return null;
  if (typeof timeout !== 'object') throw invalidType('timeout', 'an object or null', timeout);
  const { seconds, microseconds } = timeout;
  checkInteger('timeout.seconds', seconds, 0, INT32_MAX);
  checkInteger('timeout.microseconds', microseconds, 0, MAX_MICROSECONDS);
  timeoutBytes.fill(0);
  timeoutView.setUint32(0, seconds, true);
  timeoutView.setUint32(TIMEVAL_MICROSECONDS_BYTE, microseconds, true);
  return timeoutBytes;
}
