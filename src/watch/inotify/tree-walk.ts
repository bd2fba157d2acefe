/**
 * The way from the root of an {@link InotifyTree} down to a directory, name by name: without a
 * path, so none is too long, and none leads through a symbolic link. The end of the last walk is
 * kept until {@link end}, because the next directory is usually near it; so one fd is open
 * meanwhile.
 */
import { close } from '../../sys/io';
import type { Directory } from './directory-tree';
import { findDirectory, isThere, type TreeRoot } from './tree-root';

/** Opens directories below a root. */
export class TreeWalk {
  readonly #root: TreeRoot;
  #at: Directory | null = null;
  #fd = -1;

  constructor(root: TreeRoot) {
    this.#root = root;
  }

  /** A new O_PATH fd of the directory `name` in `parent`, or -errno. */
  open(parent: Directory, name: string): number {
    const outcome = this.#reach(parent);
    return outcome < 0 ? outcome : findDirectory(this.#fd, name);
  }

  /** Whether `parent` has an entry called `name`. Ends the walk. */
  has(parent: Directory, name: string): boolean {
    const found = this.#reach(parent) >= 0 && isThere(this.#fd, name);
    this.end();
    return found;
  }

  /** Start the next walk at `directory`, which is open as `fd`; the fd is closed later. */
  startAt(directory: Directory, fd: number): void {
    this.end();
    this.#at = directory;
    this.#fd = fd;
  }

  /** Close the kept fd. */
  end(): void {
    if (this.#at !== null) close(this.#fd);
    this.#at = null;
  }

  #reach(target: Directory): number {
    const steps: Directory[] = [];
    let start: Directory | null = target;
    while (start !== null && start !== this.#at) {
      steps.push(start);
      start = start.parent;
    }
    for (const step of steps.reverse()) {
      const fd = step.parent === null ? this.#root.open() : findDirectory(this.#fd, step.name);
      if (fd < 0) return fd;
      this.startAt(step, fd);
    }
    return 0;
  }
}
