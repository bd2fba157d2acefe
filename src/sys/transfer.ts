/**
 * Bytes that go from fd to fd inside the kernel, without a copy through JavaScript: sendfile(2),
 * splice(2), tee(2). Arguments are checked, results are `n >= 0` or `-errno`.
 *
 * A position is a number, 0 to 2**53 - 1, or null for the fd's own. With a number the fd's own
 * position stays, and the next one is `offset + returned`: the caller adds it up. A write to a pipe
 * or socket without a reader gives -EPIPE, and also SIGPIPE, which Node ignores.
 */
import { checkFd, checkInteger, checkMask } from '../base/check';
import { declare, declareWide, result } from './libc';
import { OffsetMemory } from './offset';

const native = {
  sendfile: declareWide('int64_t', 'sendfile', ['int', 'int', 'void *', 'size_t']),
  splice: declare('int64_t', 'splice', [
    'int',
    'void *',
    'int',
    'void *',
    'size_t',
    'unsigned int',
  ]),
  tee: declare('int64_t', 'tee', ['int', 'int', 'size_t', 'unsigned int']),
};

/** The most that Linux moves in one call: INT_MAX, cut to whole pages. */
const MAX_BYTES = 0x7fff_f000;

const offsetIn = new OffsetMemory();
const offsetOut = new OffsetMemory();

/**
 * `ssize_t sendfile(int out_fd, int in_fd, off_t *offset, size_t count)`
 *
 * Copies up to `count` bytes of a file, from `offset`, to any fd. Returns the bytes written, which
 * may be fewer (at most 0x7ffff000), and 0 at the file's end; or -errno: -EAGAIN when a non-blocking
 * `outFd` is full, -EINVAL (`inFd` is a socket, or `outFd` was opened with O_APPEND), -ESPIPE
 * (`offset` given and `inFd` is a pipe). Blocks on a blocking `outFd`, and while the disk reads. See
 * sendfile(2).
 */
export function sendfile(
  outFd: number,
  inFd: number,
  offset: number | null,
  count: number,
): number {
  checkFd(outFd, 'outFd');
  checkFd(inFd, 'inFd');
  const offsetMemory = offsetIn.fill(offset, 'offset');
  return result(native.sendfile(outFd, inFd, offsetMemory, checkCount('count', count)));
}

/**
 * `ssize_t splice(int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t size,
 *                 unsigned int flags)`
 *
 * Moves up to `length` bytes between two fds, of which one at least is a pipe; the position of a
 * pipe must be null. `flags` are SPLICE_F_NONBLOCK (do not wait for the pipe) and so on. Returns the
 * bytes moved, 0 at the end, or -errno: -EAGAIN when it would block, -EINVAL (no pipe, or the same
 * pipe twice), -ESPIPE (a position given for a pipe). Blocks unless asked not to. See splice(2).
 */
export function splice(
  fdIn: number,
  positionIn: number | null,
  fdOut: number,
  positionOut: number | null,
  length: number,
  flags: number,
): number {
  checkFd(fdIn, 'fdIn');
  checkFd(fdOut, 'fdOut');
  const mask = checkMask('flags', flags);
  const from = offsetIn.fill(positionIn, 'positionIn');
  const to = offsetOut.fill(positionOut, 'positionOut');
  return result(native.splice(fdIn, from, fdOut, to, checkCount('length', length), mask));
}

/**
 * `ssize_t tee(int fd_in, int fd_out, size_t size, unsigned int flags)`
 *
 * Copies up to `length` bytes from one pipe to another and leaves them in the first. Returns the
 * bytes copied, 0 when the first is empty and has no writer, or -errno: -EAGAIN when it would block,
 * -EINVAL (not two pipes). Blocks unless `flags` has SPLICE_F_NONBLOCK. See tee(2).
 */
export function tee(fdIn: number, fdOut: number, length: number, flags: number): number {
  checkFd(fdIn, 'fdIn');
  checkFd(fdOut, 'fdOut');
  const mask = checkMask('flags', flags);
  return result(native.tee(fdIn, fdOut, checkCount('length', length), mask));
}

/** A count, cut to the kernel's own limit: a size_t of 32 bits must not wrap. */
function checkCount(name: string, count: number): number {
  checkInteger(name, count, 0, Number.MAX_SAFE_INTEGER);
  return Math.min(count, MAX_BYTES);
}
