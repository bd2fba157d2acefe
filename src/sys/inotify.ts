/**
 * inotify(7): the three calls, and the decoding of the bytes from read(2). Arguments are checked,
 * results are `n >= 0` or `-errno`.
 */
import { bytesOf, checkBytes, checkFd, checkInt, checkMask } from '../base/check';
import { declare, offsetOf, result, sizeOf, struct } from './libc';
import { encodePath } from './path';

const native = {
  inotify_init1: declare('int', 'inotify_init1', ['int']),
  inotify_add_watch: declare('int', 'inotify_add_watch', ['int', 'void *', 'uint32_t']),
  inotify_rm_watch: declare('int', 'inotify_rm_watch', ['int', 'int']),
};

/** `struct inotify_event { int wd; uint32_t mask, cookie, len; char name[]; }`, without the name. */
const inotifyEvent = struct({
  wd: 'int',
  mask: 'uint32_t',
  cookie: 'uint32_t',
  len: 'uint32_t',
});

/** Bytes of one `struct inotify_event` without its name. */
export const INOTIFY_EVENT_BYTES: number = sizeOf(inotifyEvent);
const MASK_BYTE: number = offsetOf(inotifyEvent, 'mask');
const COOKIE_BYTE: number = offsetOf(inotifyEvent, 'cookie');
const LENGTH_BYTE: number = offsetOf(inotifyEvent, 'len');

/** One `struct inotify_event`. */
export interface InotifyEvent {
  /** The watch descriptor; -1 with IN_Q_OVERFLOW. */
  wd: number;
  /** One event, and IN_ISDIR or not. Unsigned. */
  mask: number;
  /** The same for both halves of a rename, 0 for all else. Unsigned. */
  cookie: number;
  /** The name in the watched directory, without its NULs; empty for the watched thing itself. */
  name: Buffer;
}

/**
 * `int inotify_init1(int flags)`
 *
 * `flags` may have IN_NONBLOCK and IN_CLOEXEC. Returns a new fd, or -EINVAL, -EMFILE (also when the
 * user has fs.inotify.max_user_instances of them), -ENFILE, -ENOMEM. See inotify_init1(2).
 */
export function inotifyInit1(flags: number): number {
  checkInt('flags', flags);
  return result(native.inotify_init1(flags));
}

/**
 * `int inotify_add_watch(int fd, const char *pathname, uint32_t mask)`
 *
 * `path` is a string or bytes. Returns the watch descriptor, which is that of before if the same
 * inode is watched already; or -EACCES, -EBADF, -EEXIST, -EINVAL, -ENAMETOOLONG, -ENOENT, -ENOMEM,
 * -ENOSPC (the user's limit of watches), -ENOTDIR. See inotify_add_watch(2).
 */
export function inotifyAddWatch(fd: number, path: string | Uint8Array, mask: number): number {
  checkFd(fd);
  const bytes = encodePath(path);
  return result(native.inotify_add_watch(fd, bytes, checkMask('mask', mask)));
}

/**
 * `int inotify_rm_watch(int fd, int wd)`
 *
 * Returns 0 and queues an IN_IGNORED, or -EBADF, -EINVAL (no such watch). See inotify_rm_watch(2).
 */
export function inotifyRmWatch(fd: number, wd: number): number {
  checkFd(fd);
  checkInt('wd', wd);
  return result(native.inotify_rm_watch(fd, wd));
}

/**
 * The events in the first `length` bytes of `bytes`, from read(2). Names are copied. An event that
 * is cut short at the end is left out; the kernel never cuts one.
 */
export function decodeInotifyEvents(bytes: Uint8Array, length: number): InotifyEvent[] {
  checkBytes(bytes, length, 'bytes');
  const all = bytesOf(bytes);
  const view = new DataView(all.buffer, all.byteOffset, length);
  const events: InotifyEvent[] = [];
  let at = 0;
  while (at + INOTIFY_EVENT_BYTES <= length) {
    const nameAt = at + INOTIFY_EVENT_BYTES;
    const end = nameAt + view.getUint32(at + LENGTH_BYTE, true);
    if (end > length) break;
    events.push({
      wd: view.getInt32(at, true),
      mask: view.getUint32(at + MASK_BYTE, true),
      cookie: view.getUint32(at + COOKIE_BYTE, true),
      name: copyName(all, nameAt, end),
    });
    at = end;
  }
  return events;
}

const NO_NAME = Buffer.alloc(0);

function copyName(bytes: Uint8Array, start: number, end: number): Buffer {
  const firstNul = bytes.indexOf(0, start);
  const stop = firstNul < 0 || firstNul > end ? end : firstNul;
  return stop === start ? NO_NAME : Buffer.from(bytes.subarray(start, stop));
}
