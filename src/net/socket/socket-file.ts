/**
 * The file that bind(2) makes for the path of a unix socket. The kernel leaves it behind when the
 * socket is closed, and no other socket could bind to the path: its maker must remove it.
 *
 * A path is not a place: the working directory changes, folders are renamed, other files take the
 * place of this one. So an O_PATH fd holds the folder, and the file is removed from there, if it is
 * still the same file. (Between that check and unlinkat(2) there is a moment; Linux has no call
 * that does both.) The fd holds nothing that the bound socket does not hold itself.
 */
import { type BigIntStats, constants as fsConstants, lstatSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { openat, unlinkat } from '../../sys/at';
import { AT_FDCWD, O_CLOEXEC, O_PATH } from '../../sys/constants';
import { errno, SystemError } from '../../sys/errno';
import { closeOwned, own } from '../../sys/ownership';
import { boundFileOf } from '../../sys/unix-diag';
import { isSameFile } from './same-file';

const FIND_FOLDER = O_PATH | fsConstants.O_DIRECTORY | O_CLOEXEC;
const { EMFILE, ENFILE } = errno;

/** The value of `#folder` when nothing is held. */
const NONE = -1;

/**
 * A file that was made by binding a socket: just now, or by the process that passed the socket on.
 */
export class SocketFile {
  readonly #name: string;
  readonly #made: BigIntStats;
  #folder: number;

  private constructor(folder: number, name: string, made: BigIntStats) {
    this.#folder = folder;
    this.#name = name;
    this.#made = made;
  }

  /**
   * Call `bind`, which binds a socket to `path` or throws. Returns the new file; null for abstract
   * and empty names, which have none. Throws EMFILE or ENFILE before anything is made.
   */
  static make(path: string, bind: () => void): SocketFile | null {
    // Before, so that a full fd table leaves no file.
    const folder = holdFolder(path);
    if (folder < 0) {
      // All other errors come from bind(2), which reports them with the whole path.
      bind();
      return null;
    }
    try {
      bind();
    } catch (error) {
      closeOwned(folder);
      throw error;
    }
    return SocketFile.#in(folder, path, () => true);
  }

  /**
   * The file at `path`, to which another process has bound the socket `fd`. Null if the kernel does
   * not prove that it is this very socket's: then it is not ours to remove.
   */
  static find(path: string, fd: number): SocketFile | null {
    const bound = boundFileOf(fd);
    if (bound === null) return null;
    const folder = holdFolder(path);
    if (folder < 0) return null;
    return SocketFile.#in(
      folder,
      path,
      ({ ino, dev }) => Number(ino & 0xffff_ffffn) === bound.inode && Number(dev) === bound.device,
    );
  }

  static #in(
    folder: number,
    path: string,
    isOurs: (stats: BigIntStats) => boolean,
  ): SocketFile | null {
    const name = basename(path);
    const stats = statusIn(folder, name);
    if (stats?.isSocket() && isOurs(stats)) return new SocketFile(folder, name, stats);
    closeOwned(folder);
    return null;
  }

  /** Returns the result of `work`; removes the file if it throws. */
  orRemove<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Remove the file, unless another one has taken its place, and release it. */
  remove(): void {
    if (this.#folder === NONE) return;
    // A file that cannot be removed is gone, or not ours any more: the socket is closed all the
    // same.
    if (isSameFile(this.#made, statusIn(this.#folder, this.#name))) {
      unlinkat(this.#folder, this.#name, 0);
    }
    this.release();
  }

  /** Leave the file where it is. */
  release(): void {
    if (this.#folder !== NONE) closeOwned(this.#folder);
    this.#folder = NONE;
  }
}

/** An fd of the folder of `path`; or -1 if there is none: bind(2) reports that itself. */
function holdFolder(path: string): number {
  if (path === '' || path.startsWith('\0')) return NONE;
  const folder = openat(AT_FDCWD, dirname(path), FIND_FOLDER);
  if (folder === -EMFILE || folder === -ENFILE) {
    throw new SystemError('open', folder, { reason: `no fd for the folder of ${path}` });
  }
  return folder < 0 ? NONE : own(folder);
}

/** By /proc, which begins at the very folder, and takes no fd. Null if there is no such entry. */
function statusIn(folder: number, name: string): BigIntStats | null {
  const path = `/proc/self/fd/${folder}/${name}`;
  try {
    return lstatSync(path, { bigint: true });
  } catch {
    return null;
  }
}
