/**
 * Changes in a directory and in all directories below it. inotify(7) itself watches one directory at
 * a time; this class follows them.
 *
 * The race: between the moment a directory appears and the moment it is watched, things appear in it
 * (`mkdir -p a/b/c`). So a new directory is watched first and listed then. But a listing shows the
 * present, and the queued events are of the past: a listed entry appears again as an event, or is
 * renamed or replaced before its event is read. So the emitted names are kept, and events and listings
 * emit only changes of them; later events correct a state that is wrong for a moment.
 *
 * A directory is watched and listed through one fd, so both are of the same inode. The kernel's watch
 * descriptor identifies the inode, not the path. The fd is opened from the root downwards (see
 * tree-root.ts), never by a path, which may lead elsewhere by now, or be too long.
 *
 * Other programs may do anything below the root: a directory that cannot be watched is emitted as
 * `unwatched` and tried again. Only the loss of the root ends the tree.
 */

import { parseOptions } from '../../base/options';
import { defaultLoop } from '../../loop/default-loop';
import * as constants from '../../sys/constants';
import { SystemError } from '../../sys/errno';
import { inotifyAddWatch, inotifyRmWatch } from '../../sys/inotify';
import { close } from '../../sys/io';
import { encodePath } from '../../sys/path';
import { type Directory, DirectoryTree } from './directory-tree';
import { RecentMoves } from './recent-moves';
import type { QueuedChange } from './rename-queue';
import { InotifySource, watchError } from './source';
import { type Listing, list } from './tree-listing';
import {
  type InotifyTreeOptions,
  inotifyTreeSchema,
  type TreePlace,
  type TreeRecord,
  treePlace,
} from './tree-record';
import { TreeRoot } from './tree-root';
import { TreeWalk } from './tree-walk';
import { GONE, SCARCE, UnwatchedDirectories } from './unwatched-directories';
import { FILE_EVENTS, kindOf } from './words';

const { IN_IGNORED, IN_ISDIR, IN_MASK_ADD, IN_MOVE_SELF, IN_Q_OVERFLOW, IN_UNMOUNT } = constants;

const STRUCTURE = [
  constants.IN_CREATE,
  constants.IN_DELETE,
  constants.IN_MOVED_FROM,
  constants.IN_MOVED_TO,
  constants.IN_ONLYDIR,
  constants.IN_EXCL_UNLINK,
].reduce((mask, flag) => mask | flag);

type Event = QueuedChange['event'];

/**
 * Watches a directory and everything below. It emits each change as `change`, in order; a change of a
 * directory is also one of all that it contains.
 *
 * The constructor lists every directory at once, so a big tree takes its time, and keeps all names. A
 * moved directory is listed again. Each costs one of the user's fs.inotify.max_user_watches. Symbolic
 * links are not followed, and a directory mounted at two places of the tree is watched at one of them.
 */
export class InotifyTree extends InotifySource<TreeRecord> {
  readonly #mask: number;
  readonly #ignore: ((path: string) => boolean) | undefined;
  readonly #root: TreeRoot;
  readonly #tree: DirectoryTree;
  readonly #walk: TreeWalk;
  readonly #moves = new RecentMoves();
  readonly #unwatched: UnwatchedDirectories;
  readonly #toEnter: [parent: Directory, name: string][] = [];
  /** False during the first listing, unless `tellExisting` is set. */
  #isReporting: boolean;
  /** `stale`: the listing of the root itself failed. */
  #rootListing: 'known' | 'stale' = 'known';

  /**
   * Throws ENOENT, ENOTDIR, EACCES, EMFILE and ENOSPC for the root (a directory below it is emitted
   * as `unwatched`), and a TypeError for a wrong option.
   */
  constructor(path: string | Uint8Array, options: InotifyTreeOptions = {}) {
    const bytes = Buffer.from(encodePath(path)).subarray(0, -1);
    const { events, tellExisting, ignore, ...base } = parseOptions(
      'InotifyTree',
      inotifyTreeSchema,
      options,
    );
    const parts: { release?: () => void } = {};
    super(base, () => parts.release?.());
    this.#ignore = ignore;
    this.#mask = events.reduce((mask, word) => mask | FILE_EVENTS[word], STRUCTURE);
    this.#isReporting = tellExisting;
    const { timers } = base.loop ?? defaultLoop();
    this.#unwatched = new UnwatchedDirectories(timers, () => this.#onRetry());
    try {
      const root = TreeRoot.at(bytes);
      if (typeof root === 'number') throw watchError(root, bytes, 'open');
      this.#root = root;
      this.#walk = new TreeWalk(root);
      parts.release = () => {
        this.#unwatched.close();
        root.close();
      };
      const [id, listing] = this.#watchRoot(bytes);
      const name = bytes.toString('latin1');
      this.#tree = new DirectoryTree(id, name === '/' ? name : name.replace(/\/+$/, ''));
      this.#compare(this.#tree.root, listing);
      this.#enterAll();
      this.#isReporting = true;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The number of watched directories. */
  get size(): number {
    return this.#tree.size;
  }

  protected override onChange({ event, movedTo }: QueuedChange): void {
    try {
      if ((event.mask & IN_Q_OVERFLOW) !== 0) this.#onOverflow();
      else if (movedTo !== null) this.#onMove(event, movedTo);
      else this.#onEvent(event);
      this.#enterAll();
    } catch (error) {
      this.fail(error as Error);
    }
  }

  /** Watch and list the root; throws. */
  #watchRoot(path: Buffer): [id: number, listing: Listing] {
    const fd = this.#root.open();
    if (fd < 0) throw watchError(fd, path, 'open');
    try {
      const id = this.#watch(fd, this.#mask | IN_MOVE_SELF);
      if (id < 0) throw watchError(id, path);
      const listing = list(fd);
      if (typeof listing === 'number') throw watchError(listing, path, 'scandir');
      return [id, listing];
    } finally {
      close(fd);
    }
  }

  #watch(fd: number, mask: number): number {
    return inotifyAddWatch(this.fd, `/proc/self/fd/${fd}`, mask >>> 0);
  }

  #onEvent({ wd, mask, name: bytes }: Event): void {
    const directory = this.#tree.get(wd);
    if (directory === undefined) return;
    if ((mask & (IN_IGNORED | IN_UNMOUNT | IN_MOVE_SELF)) !== 0)
      return this.#onSelf(directory, mask);
    const kind = kindOf(mask);
    if (kind === null || bytes.length === 0) return;
    const name = bytes.toString('latin1');
    const isDirectory = (mask & IN_ISDIR) !== 0;
    if (kind === 'create' || kind === 'movedTo') this.#appear(directory, name, isDirectory, kind);
    else if (kind === 'delete' || kind === 'movedFrom') this.#vanish(directory, name, kind);
    else this.deliver({ kind, ...placeOf(directory, name), isDirectory, found: false });
    // It may have become readable.
    if (kind === 'attributes' && this.#unwatched.has(directory, name))
      this.#enterLater(directory, name);
  }

  #onMove(from: Event, to: Event): void {
    const [source, target] = [this.#tree.get(from.wd), this.#tree.get(to.wd)];
    if (target === undefined) return this.#onEvent(from);
    if (source === undefined) return this.#onEvent(to);
    const [oldName, newName] = [from.name.toString('latin1'), to.name.toString('latin1')];
    const isDirectory = (from.mask & IN_ISDIR) !== 0;
    const moved = source.children.get(oldName);
    // The entry known under the old name is not the moved one: it appeared later, and was listed.
    if (source.names.get(oldName) !== isDirectory) return this.#onEvent(to);
    if (moved?.holds(target) === true) return this.#listAll();
    const way = { source, oldName, target, newName };
    // The other half of RENAME_EXCHANGE: the first half was emitted as a move, so this is found.
    if (this.#moves.hasReverse(way) && this.#walk.has(source, oldName)) {
      return this.#appear(target, newName, isDirectory, 'found');
    }
    if (target.names.has(newName)) this.#moves.add(way);
    const replaced = target.children.get(newName);
    if (replaced !== undefined && replaced !== moved) this.#forget(replaced);
    source.names.delete(oldName);
    this.#unwatched.delete(source, oldName);
    target.names.set(newName, isDirectory);
    this.deliver({
      kind: 'move',
      from: placeOf(source, oldName),
      to: placeOf(target, newName),
      isDirectory,
    });
    if (moved !== undefined) this.#tree.move(moved, target, newName);
    if (isDirectory) this.#enterLater(target, newName);
  }

  /** The directory itself went: its parent reports it; the root has no parent. */
  #onSelf(directory: Directory, mask: number): void {
    const { parent, name } = directory;
    if (parent === null) return this.#onRootGone();
    if ((mask & IN_UNMOUNT) !== 0) {
      // Its place still exists, with the entries that the mount had hidden.
      this.#empty(directory);
      this.#enterLater(parent, name);
    }
    this.#forget(directory);
  }

  #onRootGone(): void {
    this.deliver({ kind: 'rootGone', ...placeOf(this.#tree.root, '') });
    this.close();
  }

  #onOverflow(): void {
    this.deliver({ kind: 'overflow' });
    this.#listAll();
  }

  /** Look at everything again: the lost records may include the end of the root. */
  #listAll(): void {
    const { root } = this.#tree;
    const path = root.pathOf();
    try {
      const [id, listing] = this.#watchRoot(path);
      if (id !== root.id) return this.#onRootGone();
      this.#rootListing = 'known';
      this.#compare(root, listing);
    } catch (error) {
      const failure = error as SystemError;
      if (GONE.has(failure.errno)) return this.#onRootGone();
      if (!(failure instanceof SystemError)) throw error;
      const isNew = this.#rootListing === 'known';
      this.#rootListing = 'stale';
      if (isNew) this.deliver({ kind: 'unwatched', ...treePlace(path), error: failure });
      this.#unwatched.retryLater();
    }
  }

  /** `name` is there. `found`: by a listing, not by an event. */
  #appear(
    directory: Directory,
    name: string,
    isDirectory: boolean,
    kind: 'create' | 'movedTo' | 'found',
  ): void {
    const known = directory.names.get(name);
    if (known !== undefined && known !== isDirectory) this.#vanish(directory, name, 'delete');
    directory.names.set(name, isDirectory);
    const isFound = kind === 'found';
    if (known !== isDirectory && this.#isReporting) {
      const place = placeOf(directory, name);
      this.deliver({ kind: isFound ? 'create' : kind, ...place, isDirectory, found: isFound });
    }
    const isEntered = kind === 'create' && directory.children.has(name);
    if (isDirectory && !isEntered) this.#enterLater(directory, name);
  }

  #vanish(directory: Directory, name: string, kind: 'delete' | 'movedFrom', found = false): void {
    const isDirectory = directory.names.get(name);
    if (isDirectory === undefined) return;
    directory.names.delete(name);
    this.#unwatched.delete(directory, name);
    const child = directory.children.get(name);
    if (child !== undefined) this.#forget(child);
    this.deliver({ kind, ...placeOf(directory, name), isDirectory, found });
  }

  #enterLater(parent: Directory, name: string): void {
    this.#toEnter.push([parent, name]);
  }

  /** Enter the waiting directories, and those found in them. */
  #enterAll(): void {
    try {
      for (let next = this.#toEnter.pop(); next !== undefined; next = this.#toEnter.pop()) {
        const [parent, name] = next;
        if (this.closed) this.#toEnter.length = 0;
        else if (this.#isKnown(parent, name)) this.#enter(parent, name);
      }
    } finally {
      this.#walk.end();
    }
  }

  #isKnown(parent: Directory, name: string): boolean {
    return this.#tree.get(parent.id) === parent && parent.names.get(name) === true;
  }

  /**
   * Watch the directory that is at this place now, and emit its new entries. Returns 0 or -errno.
   */
  #enter(parent: Directory, name: string): number {
    if (this.#ignore?.(parent.pathOf(name).toString()) === true) return 0;
    const fd = this.#walk.open(parent, name);
    if (fd < 0) return this.#excuse(parent, name, 'open', fd);
    const id = this.#watch(fd, this.#mask | IN_MASK_ADD);
    const listing = id < 0 ? id : list(fd);
    if (typeof listing === 'number') {
      close(fd);
      if (id >= 0 && this.#tree.get(id) === undefined) inotifyRmWatch(this.fd, id);
      return this.#excuse(parent, name, id < 0 ? 'inotify_add_watch' : 'scandir', listing);
    }
    this.#unwatched.delete(parent, name);
    const directory = this.#settle(parent, name, id);
    const isParent = directory !== null && [...listing.values()].includes(true);
    if (isParent) this.#walk.startAt(directory, fd);
    else close(fd);
    if (directory !== null) this.#compare(directory, listing);
    return 0;
  }

  /** Give `id` this place, and no other. Null for a bind mount inside itself: it has no end. */
  #settle(parent: Directory, name: string, id: number): Directory | null {
    const here = parent.children.get(name);
    if (here?.id === id) return here;
    const known = this.#tree.get(id);
    if (known?.holds(parent) === true) return null;
    if (known !== undefined) {
      // First, because it may be below `here`: its watch must stay.
      this.#empty(known);
      this.#tree.remove(known);
    }
    if (here !== undefined) {
      this.#empty(here);
      this.#forget(here);
    }
    return this.#tree.add(id, parent, name);
  }

  /** Emit the end of every known entry of `directory`. */
  #empty(directory: Directory): void {
    for (const name of [...directory.names.keys()]) this.#vanish(directory, name, 'delete', true);
  }

  #compare(directory: Directory, listing: Listing): void {
    for (const name of [...directory.names.keys()]) {
      if (!listing.has(name)) this.#vanish(directory, name, 'delete', true);
    }
    for (const [name, isDirectory] of listing) {
      if (this.closed) return;
      this.#appear(directory, name, isDirectory, 'found');
    }
  }

  /** Stop watching `directory` and all below. */
  #forget(directory: Directory): void {
    for (const gone of this.#tree.remove(directory)) {
      this.#unwatched.forget(gone);
      // EINVAL: the kernel has already dropped it.
      if (!this.closed) inotifyRmWatch(this.fd, gone.id);
    }
  }

  /**
   * A directory that is gone again is no error; otherwise it is a blind spot until it can be
   * watched.
   */
  #excuse(parent: Directory, name: string, syscall: string, outcome: number): number {
    if (GONE.has(outcome)) {
      this.#unwatched.delete(parent, name);
      return 0;
    }
    if (this.#unwatched.add(parent, name)) {
      const path = parent.pathOf(name);
      this.deliver({
        kind: 'unwatched',
        ...treePlace(path),
        error: watchError(outcome, path, syscall),
      });
    }
    this.#unwatched.retryLater();
    return outcome;
  }

  #onRetry(): void {
    if (this.closed) return;
    try {
      if (this.#rootListing === 'stale') this.#listAll();
      for (const [parent, name] of this.#unwatched.first()) {
        if (this.closed) return;
        const outcome = this.#isKnown(parent, name) ? this.#enter(parent, name) : 0;
        if (SCARCE.has(outcome)) break;
      }
      this.#enterAll();
    } catch (error) {
      this.fail(error as Error);
    } finally {
      this.#walk.end();
    }
  }
}

function placeOf(directory: Directory, name: string): TreePlace {
  return treePlace(directory.pathOf(name));
}
