/**
 * The calls that work on any fd: read(2), write(2), close(2), fcntl(2), and eventfd(2). Arguments
 * are checked, results are `n >= 0` or `-errno`.
 */
import { checkFd, checkInt, checkPart, checkUint, outOfRange } from '../base/check';
import { F_GETFL, F_SETFL, O_NONBLOCK } from './constants';
import { declare, result } from './libc';

const native = {
  eventfd: declare('int', 'eventfd', ['unsigned int', 'int']),
  read: declare('int64_t', 'read', ['int', 'void *', 'size_t']),
  write: declare('int64_t', 'write', ['int', 'void *', 'size_t']),
  close: declare('int', 'close', ['int']),
  fcntl: declare('int', 'fcntl', ['int', 'int', '...']),
};

/**
 * `int eventfd(unsigned int initval, int flags)`
 *
 * Returns a new fd that holds a 64-bit counter, or -EINVAL, -EMFILE, -ENFILE, -ENOMEM. See
 * eventfd(2).
 */
export function eventfd(initial: number, flags: number): number {
  checkUint('initial', initial);
  checkInt('flags', flags);
  return result(native.eventfd(initial, flags));
}

/**
 * The operations of fcntl(2) that take an integer or nothing. All others take a pointer, and the
 * kernel would write to the address that an integer happens to be.
 */
const INTEGER_OPERATIONS: ReadonlySet<number> = new Set([
  // F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL
  ...[0, 1, 2, 3, 4],
  // F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG
  ...[8, 9, 10, 11],
  // F_SETLEASE, F_GETLEASE, F_NOTIFY, F_DUPFD_QUERY, F_CREATED_QUERY
  ...[1024, 1025, 1026, 1027, 1028],
  // F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS
  ...[1030, 1031, 1032, 1033, 1034],
]);

/**
 * `ssize_t read(int fd, void *buf, size_t count)`
 *
 * Reads up to `length` bytes, all that fit if not given, to the start of `buffer`. Returns the bytes read, 0 at the end, or
 * -errno; -EAGAIN when a non-blocking fd has none. Blocks on a blocking fd. See read(2).
 */
export function read(fd: number, buffer: Uint8Array, length?: number): number {
  checkFd(fd);
  const count = checkPart(buffer, length);
  return result(native.read(fd, buffer, count));
}

/**
 * `ssize_t write(int fd, const void *buf, size_t count)`
 *
 * Writes up to `length` bytes, all of them if not given, from the start of `buffer`. Returns the bytes written, or -errno;
 * -EAGAIN when a non-blocking fd is full. A pipe or socket without a reader gives -EPIPE, and also
 * SIGPIPE, which Node ignores. Blocks on a blocking fd. See write(2).
 */
export function write(fd: number, buffer: Uint8Array, length?: number): number {
  checkFd(fd);
  const count = checkPart(buffer, length);
  return result(native.write(fd, buffer, count));
}

/**
 * `int close(int fd)`
 *
 * Returns 0, or -EBADF, -EIO. The fd is gone in every case but EBADF: on Linux also after EINTR,
 * so this must not be retried. See close(2).
 */
export function close(fd: number): number {
  checkFd(fd);
  return result(native.close(fd));
}

/**
 * `int fcntl(int fd, int op, ... /\* int arg *\/)`
 *
 * The forms with an integer argument or none; a RangeError for an `op` that takes a pointer (locks,
 * F_GETOWN_EX, write hints). Returns what `op` says, or -errno. See fcntl(2).
 */
export function fcntl(fd: number, op: number, argument = 0): number {
  checkFd(fd);
  checkInt('op', op);
  checkInt('argument', argument);
  if (!INTEGER_OPERATIONS.has(op)) {
    throw outOfRange('op', 'an operation with an integer argument or none', op);
  }
  return result(native.fcntl(fd, op, 'int', argument));
}

/** Set O_NONBLOCK on the open file description of `fd`. Returns 0 or -errno. */
export function setNonBlocking(fd: number): number {
  const flags = fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) !== 0) return Math.min(flags, 0);
  return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}
