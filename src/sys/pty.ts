/**
 * pty(7): the calls that make a pair of pseudo-terminals, and its window size. Arguments are
 * checked, results are `n >= 0` or `-errno`.
 */
import { bytesOf, checkFd, checkInt, checkInteger, checkWhole, invalidType } from '../base/check';
import { TIOCGWINSZ, TIOCSWINSZ } from './constants';
import { ioctl } from './ioctl';
import { declare, offsetOf, result, sizeOf, struct } from './libc';

const native = {
  posix_openpt: declare('int', 'posix_openpt', ['int']),
  grantpt: declare('int', 'grantpt', ['int']),
  unlockpt: declare('int', 'unlockpt', ['int']),
  ptsname_r: declare('int', 'ptsname_r', ['int', 'void *', 'size_t']),
};

/** `struct winsize { unsigned short ws_row, ws_col, ws_xpixel, ws_ypixel; }` */
const winsize = struct({
  ws_row: 'uint16_t',
  ws_col: 'uint16_t',
  ws_xpixel: 'uint16_t',
  ws_ypixel: 'uint16_t',
});

/** Bytes of `struct winsize`. */
export const WINSIZE_BYTES: number = sizeOf(winsize);
const ROW_BYTE: number = offsetOf(winsize, 'ws_row');
const COLUMN_BYTE: number = offsetOf(winsize, 'ws_col');

const UINT16_MAX = 0xffff;

/** The size of a terminal, in characters. */
export interface WindowSize {
  columns: number;
  rows: number;
}

/**
 * `int posix_openpt(int flags)`
 *
 * Opens a new master. `flags` may have O_RDWR, O_NOCTTY, and on Linux O_NONBLOCK and O_CLOEXEC.
 * Returns an fd, or -EMFILE, -ENFILE, -ENOENT, -ENOSPC (kernel.pty.max). See posix_openpt(3).
 */
export function posixOpenpt(flags: number): number {
  checkInt('flags', flags);
  return result(native.posix_openpt(flags));
}

/** `int grantpt(int fd)`: returns 0, or -EACCES, -EBADF, -EINVAL. See grantpt(3). */
export function grantpt(fd: number): number {
  checkFd(fd);
  return result(native.grantpt(fd));
}

/** `int unlockpt(int fd)`: returns 0, or -EBADF, -EINVAL, -ENOTTY. See unlockpt(3). */
export function unlockpt(fd: number): number {
  checkFd(fd);
  return result(native.unlockpt(fd));
}

/**
 * `int ptsname_r(int fd, char *buf, size_t buflen)`
 *
 * Puts the name of the slave, with a NUL, into `name`. Returns its length without the NUL, or
 * -EBADF, -ENOTTY, -ERANGE (`name` is too short). See ptsname(3).
 */
export function ptsname(fd: number, name: Uint8Array): number {
  checkFd(fd);
  const length = checkWhole(name, 'name');
  // This function returns its errno.
  const outcome = native.ptsname_r(fd, name, length);
  if (outcome !== 0) return -Math.abs(outcome);
  return bytesOf(name).indexOf(0);
}

const sizeBytes = new Uint8Array(WINSIZE_BYTES);
const sizeView = new DataView(sizeBytes.buffer);

/**
 * `int ioctl(int fd, TIOCGWINSZ, struct winsize *argp)`
 *
 * Puts the size of the terminal into `size`. Returns 0, or -EBADF, -ENOTTY. See TIOCGWINSZ(2const).
 */
export function getWindowSize(fd: number, size: WindowSize): number {
  checkFd(fd);
  if (typeof size !== 'object' || size === null) throw invalidType('size', 'an object', size);
  const outcome = ioctl(fd, TIOCGWINSZ, sizeBytes);
  if (outcome < 0) return outcome;
  size.columns = sizeView.getUint16(COLUMN_BYTE, true);
  size.rows = sizeView.getUint16(ROW_BYTE, true);
  return outcome;
}

/**
 * `int ioctl(int fd, TIOCSWINSZ, const struct winsize *argp)`
 *
 * The foreground processes get SIGWINCH if the size changes. Returns 0, or -EBADF, -ENOTTY. See
 * TIOCSWINSZ(2const).
 */
export function setWindowSize(fd: number, size: WindowSize): number {
  checkFd(fd);
  if (typeof size !== 'object' || size === null) throw invalidType('size', 'an object', size);
  const { columns, rows } = size;
  checkInteger('size.columns', columns, 0, UINT16_MAX);
  checkInteger('size.rows', rows, 0, UINT16_MAX);
  sizeBytes.fill(0);
  sizeView.setUint16(COLUMN_BYTE, columns, true);
  sizeView.setUint16(ROW_BYTE, rows, true);
  return ioctl(fd, TIOCSWINSZ, sizeBytes);
}
