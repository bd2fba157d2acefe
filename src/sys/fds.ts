/**
 * Calls that make fds, and the position of one: pipe2(2), dup3(2), memfd_create(2), lseek(2).
 * Arguments are checked, results are `n >= 0` or `-errno`.
 */
import {
  checkFd,
  checkInt,
  checkInteger,
  checkMask,
  checkRoom,
  invalidType,
  outOfRange,
} from '../base/check';
import { errno } from './errno';
import { declare, declareOptional, declareWide, result } from './libc';

const native = {
  pipe2: declare('int', 'pipe2', ['void *', 'int']),
  dup3: declare('int', 'dup3', ['int', 'int', 'int']),
  memfd_create: declareOptional('int', 'memfd_create', ['str', 'unsigned int']),
  lseek: declareWide('int64_t', 'lseek', ['int', 'int64_t', 'int']),
};

/**
 * `int pipe2(int pipefd[2], int flags)`
 *
 * Puts the reading and the writing end of a new pipe into `pair`. `flags` are O_CLOEXEC, O_NONBLOCK
 * and so on. Returns 0, or -EINVAL, -EMFILE, -ENFILE. See pipe2(2).
 */
export function pipe2(pair: Int32Array, flags: number): number {
  checkRoom(pair, 2 * Int32Array.BYTES_PER_ELEMENT, 'pair');
  checkInt('flags', flags);
  return result(native.pipe2(pair, flags));
}

/**
 * `int dup3(int oldfd, int newfd, int flags)`
 *
 * Makes `newFd` another fd for the description of `oldFd`. If `newFd` is open it is closed first,
 * without a word: it must be yours. `flags` is O_CLOEXEC or 0. Returns `newFd`, or -EBADF, -EBUSY,
 * -EINVAL (the two are equal), -EMFILE. For a free number use fcntl with F_DUPFD_CLOEXEC. See
 * dup3(2).
 */
export function dup3(oldFd: number, newFd: number, flags: number): number {
  checkFd(oldFd, 'oldFd');
  checkFd(newFd, 'newFd');
  checkInt('flags', flags);
  return result(native.dup3(oldFd, newFd, flags));
}

/**
 * `int memfd_create(const char *name, unsigned int flags)`
 *
 * Returns the fd of a new file that lives in memory; `name` is shown in /proc and has at most 249
 * bytes. `flags` are MFD_CLOEXEC, MFD_ALLOW_SEALING and so on. Or -EINVAL, -EMFILE, -ENFILE,
 * -ENOMEM; -ENOSYS before glibc 2.27. See memfd_create(2).
 */
export function memfdCreate(name: string, flags: number): number {
  if (typeof name !== 'string') throw invalidType('name', 'a string', name);
  if (name.includes('\0')) throw outOfRange('name', 'a string without NUL', name);
  return result(native.memfd_create(name, checkMask('flags', flags)));
}

/**
 * `off_t lseek(int fd, off_t offset, int whence)`
 *
 * Moves the position of `fd` by `offset`, a safe integer, from SEEK_SET, SEEK_CUR or SEEK_END; or to
 * the next data or hole. Returns the new position, or -EBADF, -EINVAL (before the start), -ENXIO (no
 * data), -EOVERFLOW (moved, but to past 2**53 - 1), -ESPIPE (a pipe or socket). See lseek(2).
 */
export function lseek(fd: number, offset: number, whence: number): number {
  checkFd(fd);
  checkInteger('offset', offset, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  checkInt('whence', whence);
  const position = result(native.lseek(fd, offset, whence));
  // koffi returns a bigint for a value that a number cannot hold.
  return Number.isSafeInteger(position) ? position : -errno.EOVERFLOW;
}
