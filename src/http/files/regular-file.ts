/**
 * A regular file that is open for reading, and nothing but a regular file.
 *
 * A path is opened in two steps. O_PATH only finds the inode: a FIFO's writer is not woken, a
 * device's driver is not called, nothing blocks. Then the kind and the true place of the inode are
 * checked, and this very inode, not the path again, is opened through /proc/self/fd. So nothing can
 * be exchanged between check and use. The search runs on libuv's pool, because directories may have
 * to come from a disk; after it the inode is in memory, and a second trip to the pool would cost
 * more than the call.
 */
import {
  type BigIntStats,
  close,
  closeSync,
  fstatSync,
  open,
  openSync,
  readlinkSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { checkFd } from '../../base/check';
import { type FileRange, HeldRange } from '../../bytes/file-range';
import * as constants from '../../sys/constants';
import { errno, SystemError } from '../../sys/errno';
import { openBySpare, refillFileFds } from '../file-fds';

const { O_CLOEXEC, O_PATH } = constants;
const { EINVAL, EISDIR, EXDEV } = errno;
const O_RDONLY = 0;

const openAsync = promisify(open);

/** Opens an inode, and does nothing with it. */
const FIND = O_PATH | O_CLOEXEC;

/**
 * If it was deleted meanwhile, freeing the blocks of a larger file takes long: close it on the
 * pool.
 */
const CLOSE_HERE_BYTES = 64 * 1024 * 1024;

/** An open file. Its opener closes it; a borrowed one is never closed. */
export interface RegularFile {
  readonly fd: number;
  /** Its size in bytes when it was opened. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  /** The whole result of fstat(2) when it was opened. */
  readonly stats: BigIntStats;
  /** A range of it that may wait: see {@link HeldRange}. */
  hold(range: FileRange): HeldRange;
  close(): void;
}

/**
 * open(2), for reading. Rejects with ENOENT, EACCES and so on; EISDIR for a directory; EINVAL for a
 * file that is not regular; with `root`, a true path as of {@link truePath}, EXDEV if the path
 * leads out of it (as openat2(2) reports it with RESOLVE_BENEATH).
 */
export async function openFile(path: string | Buffer | URL, root?: string): Promise<RegularFile> {
  const found = await openAsync(path, FIND).catch((error: unknown) =>
    openBySpare(error, () => openSync(path, FIND)),
  );
  try {
    if (root !== undefined && !isBeneath(truePath(found), root)) {
      throw new SystemError('open', EXDEV, { reason: `${path} leads out of the root` });
    }
    const stats = checkRegular(fstatSync(found, { bigint: true }), String(path));
    const fd = openFound(found);
    return describe(fd, stats, () => closeFile(fd, stats));
  } finally {
    closeSync(found);
    refillFileFds();
  }
}

function openFound(found: number): number {
  const openIt = (): number => openSync(`/proc/self/fd/${found}`, O_RDONLY | O_CLOEXEC);
  try {
    return openIt();
  } catch (error) {
    return openBySpare(error, openIt);
  }
}

function closeFile(fd: number, { size }: BigIntStats): void {
  if (size > CLOSE_HERE_BYTES) return close(fd, refillFileFds);
  closeSync(fd);
  refillFileFds();
}

/** `fd`, which the caller has opened and will close. Throws as {@link openFile} rejects. */
export function borrowFile(fd: number): RegularFile {
  checkFd(fd);
  const stats = checkRegular(fstatSync(fd, { bigint: true }), `fd ${fd}`);
  return describe(fd, stats, () => {});
}

/** Where the file of `fd` is, without symbolic links; each byte is one character. */
function truePath(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`, 'latin1');
}

function isBeneath(path: string, root: string): boolean {
  return path.startsWith(root.endsWith('/') ? root : `${root}/`) || path === root;
}

function checkRegular(stats: BigIntStats, name: string): BigIntStats {
  if (stats.isFile()) return stats;
  if (stats.isDirectory()) {
    throw new SystemError('open', EISDIR, { reason: `${name} is a directory` });
  }
  throw new SystemError('open', EINVAL, { reason: `${name} is no regular file` });
}

function describe(fd: number, stats: BigIntStats, close: () => void): RegularFile {
  const { size, mtimeMs } = stats;
  const hold = (range: FileRange): HeldRange => new HeldRange(fd, stats, range);
  return { fd, size: Number(size), modifiedMs: Number(mtimeMs), stats, hold, close };
}
