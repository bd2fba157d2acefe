/**
 * Changes in a directory and all directories below it: inotify(7), which itself knows one directory
 * at a time, with what it takes to follow them.
 *
 * The race that everybody meets: between the moment a directory appears and the moment it is watched,
 * things appear in it (`mkdir -p a/b/c`). So a new directory is watched first and listed then. But a
 * listing shows the present, and the events in the queue are of the past: what was listed comes again
 * as an event, was renamed before its event is read, or is another thing under the same name. So the
 * names that were told are kept, and events and listings tell only what changes them; whatever is
 * wrong for a moment is put right by the events that are still to come.
 *
 * A directory is watched and listed through one fd, so that both are of the same inode, and the
 * kernel gives the same descriptor for the same inode: its answer is what counts, not the path.
 */
import { closeSync, constants as fsConstants, openSync, readdirSync } from 'node:fs';
import { z } from 'zod';
import { parseOptions } from '../loop/options';
import * as constants from '../sys/constants';
import { errno } from '../sys/errno';
import { inotifyAddWatch, inotifyRmWatch } from '../sys/inotify';
import { encodePath } from '../sys/path';
import { type Directory, DirectoryTree } from './directory-tree';
import { InotifySource, inotifyOptionFields, watchError } from './inotify-source';
import {
  type InotifyTreeOptions,
  type TreePlace,
  type TreeRecord,
  treePlace,
} from './inotify-tree-record';
import { FILE_EVENTS, kindOf } from './inotify-words';
import type { QueuedChange } from './rename-queue';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fsConstants;
const { EACCES, ELOOP, ENOENT, ENOTDIR, EPERM } = errno;
const { IN_IGNORED, IN_ISDIR, IN_MOVE_SELF, IN_Q_OVERFLOW, IN_UNMOUNT } = constants;

const optionsSchema = z.strictObject({
  ...inotifyOptionFields,
  events: z
    .array(z.enum(['modify', 'attributes', 'closeWrite']))
    .default(['modify', 'attributes', 'closeWrite']),
  tellExisting: z.boolean().default(false),
  ignore: z.custom<(path: string) => boolean>((value) => typeof value === 'function').optional(),
});

const STRUCTURE = [
  constants.IN_CREATE,
  constants.IN_DELETE,
  constants.IN_MOVED_FROM,
  constants.IN_MOVED_TO,
  constants.IN_ONLYDIR,
  constants.IN_EXCL_UNLINK,
].reduce((mask, flag) => mask | flag);

type Event = QueuedChange['event'];

/** What a directory listing gives: Latin-1 names, and whether each is a directory. */
type Listing = Map<string, boolean>;

/**
 * Watches a directory and all below. The event `change` tells each change, in order; what happens to
 * a directory happens to all that is in it.
 *
 * Placing the watches lists every directory, in one go: a big tree takes its time, and the names of
 * all that is there are kept. A directory that is moved is listed again. Each directory costs one of
 * the user's fs.inotify.max_user_watches. Symbolic links are not followed, and a directory that is
 * mounted at two places of the tree is told at one of them.
 */
export class InotifyTree extends InotifySource<TreeRecord> {
  readonly #mask: number;
  readonly #ignore: ((path: string) => boolean) | undefined;
  readonly #tree: DirectoryTree;
  /** False while the first listing is made, if it is not to be told. */
  #telling: boolean;

  /**
   * Throws ENOENT, ENOTDIR and EACCES for the root, ENOSPC when the user's limit of watches is
   * reached, EMFILE, and a TypeError for a wrong option.
   */
  constructor(path: string | Uint8Array, options: InotifyTreeOptions = {}) {
    const bytes = Buffer.from(encodePath(path)).subarray(0, -1);
    const { events, tellExisting, ignore, ...base } = parseOptions(
      'InotifyTree',
      optionsSchema,
      options,
    );
    super(base);
    this.#ignore = ignore;
    this.#mask = events.reduce((mask, word) => mask | FILE_EVENTS[word], STRUCTURE);
    this.#telling = tellExisting;
    try {
      const id = this.addWatch(bytes, (this.#mask | IN_MOVE_SELF) >>> 0);
      const root = bytes.toString('latin1');
      this.#tree = new DirectoryTree(id, root === '/' ? root : root.replace(/\/+$/, ''));
      this.#compare(this.#tree.root, list(bytes));
      this.#telling = true;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** How many directories are watched. */
  get size(): number {
    return this.#tree.size;
  }

  protected override onChange({ event, movedTo }: QueuedChange): void {
    try {
      if ((event.mask & IN_Q_OVERFLOW) !== 0) this.#onOverflow();
      else if (movedTo !== null) this.#onMove(event, movedTo);
      else this.#onEvent(event);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  #onEvent({ wd, mask, name: bytes }: Event): void {
    const directory = this.#tree.get(wd);
    if (directory === undefined) return;
    if ((mask & (IN_IGNORED | IN_UNMOUNT | IN_MOVE_SELF)) !== 0) return this.#onSelf(directory);
    const kind = kindOf(mask);
    if (kind === null || bytes.length === 0) return;
    const name = bytes.toString('latin1');
    const isDirectory = (mask & IN_ISDIR) !== 0;
    if (kind === 'create' || kind === 'movedTo') this.#appear(directory, name, isDirectory, kind);
    else if (kind === 'delete' || kind === 'movedFrom') this.#vanish(directory, name, kind);
    else this.deliver({ kind, ...placeOf(directory, name), isDirectory, found: false });
  }

  #onMove(from: Event, to: Event): void {
    const [source, target] = [this.#tree.get(from.wd), this.#tree.get(to.wd)];
    if (target === undefined) return this.#onEvent(from);
    if (source === undefined) return this.#onEvent(to);
    const [oldName, newName] = [from.name.toString('latin1'), to.name.toString('latin1')];
    const isDirectory = (from.mask & IN_ISDIR) !== 0;
    const moved = source.children.get(oldName);
    // What is known under the old name is not what was moved: it came later, and was listed.
    if (source.names.get(oldName) !== isDirectory) return this.#onEvent(to);
    if (moved?.holds(target) === true) return this.#listAll();
    const replaced = target.children.get(newName);
    if (replaced !== undefined && replaced !== moved) this.#forget(replaced);
    source.names.delete(oldName);
    target.names.set(newName, isDirectory);
    this.deliver({
      kind: 'move',
      from: placeOf(source, oldName),
      to: placeOf(target, newName),
      isDirectory,
    });
    if (moved !== undefined) this.#tree.move(moved, target, newName);
    if (isDirectory) this.#enter(target, newName);
  }

  /** The directory itself went: its parent tells of it; the root has no parent. */
  #onSelf(directory: Directory): void {
    if (directory !== this.#tree.root) return this.#forget(directory);
    this.deliver({ kind: 'rootGone', ...placeOf(directory, '') });
    this.close();
  }

  #onOverflow(): void {
    this.deliver({ kind: 'overflow' });
    const { root } = this.#tree;
    // That the root went may be among what is lost.
    const id = inotifyAddWatch(this.fd, root.pathOf(), (this.#mask | IN_MOVE_SELF) >>> 0);
    if (id === root.id) this.#listAll();
    else this.#onSelf(root);
  }

  #listAll(): void {
    const { root } = this.#tree;
    this.#compare(root, list(root.pathOf()));
  }

  /** `name` is there. `found`: by a listing, not by an event. */
  #appear(
    directory: Directory,
    name: string,
    isDirectory: boolean,
    kind: 'create' | 'movedTo' | 'found',
  ): void {
    const told = directory.names.get(name);
    if (told !== undefined && told !== isDirectory) this.#vanish(directory, name, 'delete');
    directory.names.set(name, isDirectory);
    const isFound = kind === 'found';
    if (told !== isDirectory && this.#telling) {
      const place = placeOf(directory, name);
      this.deliver({ kind: isFound ? 'create' : kind, ...place, isDirectory, found: isFound });
    }
    const isEntered = kind === 'create' && directory.children.has(name);
    if (isDirectory && !isEntered) this.#enter(directory, name);
  }

  #vanish(directory: Directory, name: string, kind: 'delete' | 'movedFrom', found = false): void {
    const isDirectory = directory.names.get(name);
    if (isDirectory === undefined) return;
    directory.names.delete(name);
    const child = directory.children.get(name);
    if (child !== undefined) this.#forget(child);
    this.deliver({ kind, ...placeOf(directory, name), isDirectory, found });
  }

  /** Watch the directory that is at this place now, and tell what is new in it. */
  #enter(parent: Directory, name: string): void {
    const path = parent.pathOf(name);
    if (this.closed || this.#ignore?.(path.toString()) === true) return;
    let fd: number;
    try {
      fd = openSync(path, O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      return this.#excuse(path, 'open', (error as NodeJS.ErrnoException).errno ?? 0);
    }
    let id: number;
    let listing: Listing;
    try {
      const opened = `/proc/self/fd/${fd}`;
      id = inotifyAddWatch(this.fd, opened, this.#mask >>> 0);
      if (id < 0) return this.#excuse(path, 'inotify_add_watch', id);
      listing = list(opened);
    } finally {
      closeSync(fd);
    }
    const directory = this.#settle(parent, name, id);
    if (directory !== null) this.#compare(directory, listing);
  }

  /** Have `id` at this place, and nowhere else. Null for a bind mount inside itself: it has no end. */
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

  /** Tell that what was told to be in `directory` is not. */
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
    for (const { id } of this.#tree.remove(directory)) {
      // EINVAL: the kernel has dropped it before.
      if (!this.closed) inotifyRmWatch(this.fd, id);
    }
  }

  /** Gone again is no error; without permission the tree has a blind spot; else it cannot go on. */
  #excuse(path: Buffer, syscall: string, outcome: number): void {
    if ([-ENOENT, -ENOTDIR, -ELOOP].includes(outcome)) return;
    const error = watchError(outcome, path, syscall);
    if (outcome !== -EACCES && outcome !== -EPERM) throw error;
    this.deliver({ kind: 'unwatched', ...treePlace(path), error });
  }
}

function placeOf(directory: Directory, name: string): TreePlace {
  return treePlace(directory.pathOf(name));
}

function list(path: Buffer | string): Listing {
  const options = { withFileTypes: true, encoding: 'buffer' } as const;
  // The types of Node 20 do not know that names are buffers here.
  const entries = readdirSync(path, options) as unknown as {
    name: Buffer;
    isDirectory(): boolean;
  }[];
  return new Map(entries.map((entry) => [entry.name.toString('latin1'), entry.isDirectory()]));
}
