/**
 * The root of an {@link InotifyTree} as a place, not as a path: it stays this very directory, also
 * after chdir(2), and after a rename of a directory above it.
 *
 * It holds an O_PATH fd of the parent directory, and opens the root from there by its name. An fd
 * of the root itself would do two harms: while it is open, the kernel does not report that the root
 * was deleted, and a file system mounted at the root could not be unmounted. A move of the root
 * ends the tree, so its name does not change.
 */
import { constants as fsConstants, fstatSync, readlinkSync } from 'node:fs';
import { openat } from '../../sys/at';
import { AT_FDCWD, O_CLOEXEC, O_PATH } from '../../sys/constants';
import { errno } from '../../sys/errno';
import { close } from '../../sys/io';
import { closeOwned, disown, own } from '../../sys/ownership';

const { O_DIRECTORY, O_NOFOLLOW } = fsConstants;
const { ENOENT } = errno;

/** Finds a directory, and no symbolic link to one. */
const FIND = O_PATH | O_DIRECTORY | O_CLOEXEC;
const FIND_HERE = FIND | O_NOFOLLOW;

/** A directory whose place is held. */
export class TreeRoot {
  readonly #fd: number;
  readonly #name: string;
  readonly #inode: bigint;
  readonly #device: bigint;

  private constructor(root: number, parent: number) {
    const { ino, dev } = fstatSync(root, { bigint: true });
    this.#inode = ino;
    this.#device = dev;
    this.#name = nameOf(root);
    this.#fd = own(parent);
    const found = this.#name === '' ? -ENOENT : this.open();
    close(found < 0 ? parent : root);
    if (found >= 0) {
      close(found);
      return;
    }
    // "/", or a root in a directory that we may not search: only the root itself is left to hold.
    disown(parent);
    this.#fd = own(root);
    this.#name = '.';
  }

  /** The directory at `path`, through symbolic links; or -ENOENT, -ENOTDIR, -EMFILE and so on. */
  static at(path: Uint8Array): TreeRoot | number {
    const root = openat(AT_FDCWD, path, FIND);
    if (root < 0) return root;
    const parent = openat(root, '..', FIND);
    if (parent >= 0) return new TreeRoot(root, parent);
    close(root);
    return parent;
  }

  /** A new O_PATH fd of the root; or -ENOENT if it is gone, -EMFILE and so on. */
  open(): number {
    const fd = openat(this.#fd, encodeName(this.#name), FIND_HERE);
    if (fd < 0 || this.#isRoot(fd)) return fd;
    close(fd);
    return -ENOENT;
  }

  close(): void {
    closeOwned(this.#fd);
  }

  #isRoot(fd: number): boolean {
    const { ino, dev } = fstatSync(fd, { bigint: true });
    return ino === this.#inode && dev === this.#device;
  }
}

/**
 * An O_PATH fd of the directory `name` (Latin-1, one character per byte) in the directory `dirFd`;
 * or -ENOENT, -ENOTDIR (also for a symbolic link), -EMFILE and so on.
 */
export function findDirectory(dirFd: number, name: string): number {
  return openat(dirFd, encodeName(name), FIND_HERE);
}

/** Whether the directory `dirFd` has an entry of this name; false if that cannot be known. */
export function isThere(dirFd: number, name: string): boolean {
  const fd = openat(dirFd, encodeName(name), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

function nameOf(root: number): string {
  const path = readlinkSync(`/proc/self/fd/${root}`, 'latin1');
  return path.slice(path.lastIndexOf('/') + 1);
}

function encodeName(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}
