/**
 * Calls with a path that starts at a directory's fd: openat(2), unlinkat(2). A full path may lead
 * elsewhere by now. Arguments are checked, results are `n >= 0` or `-errno`.
 */
import { constants as fsConstants } from 'node:fs';
import { checkFd, checkInt, outOfRange } from '../base/check';
import { AT_FDCWD } from './constants';
import { declare, declareWide, result } from './libc';
import { encodePath } from './path';

const native = {
  openat: declareWide('int', 'openat', ['int', 'void *', 'int', '...']),
  unlinkat: declare('int', 'unlinkat', ['int', 'void *', 'int']),
};

/**
 * `int openat(int dirfd, const char *pathname, int flags)`
 *
 * `path`, a string or bytes, begins at the directory `dirFd`, which may be open with O_PATH; or at
 * the working directory with AT_FDCWD. Without O_CREAT: nothing is made. Returns a new fd, or
 * -EACCES, -EBADF, -ELOOP, -EMFILE, -ENAMETOOLONG, -ENFILE, -ENOENT, -ENOTDIR and so on. See
 * openat(2).
 */
export function openat(dirFd: number, path: string | Uint8Array, flags: number): number {
  checkDirFd(dirFd);
  const bytes = encodePath(path);
  checkInt('flags', flags);
  if ((flags & fsConstants.O_CREAT) !== 0) throw outOfRange('flags', 'without O_CREAT', flags);
  return result(native.openat(dirFd, bytes, flags));
}

/**
 * `int unlinkat(int dirfd, const char *pathname, int flags)`
 *
 * `path` as of {@link openat}. `flags` is 0, or AT_REMOVEDIR for a directory. Returns 0, or -EACCES,
 * -EBADF, -EISDIR, -ENOENT, -ENOTDIR, -EPERM and so on. See unlinkat(2).
 */
export function unlinkat(dirFd: number, path: string | Uint8Array, flags: number): number {
  checkDirFd(dirFd);
  const bytes = encodePath(path);
  checkInt('flags', flags);
  return result(native.unlinkat(dirFd, bytes, flags));
}

function checkDirFd(dirFd: number): void {
  if (dirFd !== AT_FDCWD) checkFd(dirFd, 'dirFd');
}
