/**
 * Changes of files and directories: inotify(7).
 *
 * It watches inodes, not names, and only the direct entries of a directory ({@link InotifyTree}
 * follows directories all the way down). The kernel reports no changes through a memory map, none
 * made on the server of a network file system, and none in /proc and /sys. Equal events in a row
 * are one.
 */
import { z } from 'zod';
import { parseOptions } from '../../base/options';
import * as constants from '../../sys/constants';
import { errno, unwrap } from '../../sys/errno';
import { inotifyRmWatch } from '../../sys/inotify';
import type { QueuedChange } from './rename-queue';
import { type InotifyOptions, InotifySource, inotifyOptionFields } from './source';
import { type InotifyRecord, InotifyWatch, placeOf } from './watch';
import { type FileEvent, fileEventsField, kindOf } from './words';

const { EINVAL } = errno;
const { IN_IGNORED, IN_ISDIR, IN_Q_OVERFLOW } = constants;

/** Options of {@link Inotify.add}. */
export interface InotifyAddOptions {
  /**
   * The events to watch for, in words or as a mask; if not given, every change, but no mere
   * reading.
   */
  events?: readonly FileEvent[] | number;
  /** IN_ONLYDIR: refuse a path that is not a directory. */
  onlyDirectory?: boolean;
  /** IN_DONT_FOLLOW: if the path is a symbolic link, watch the link itself. */
  dontFollow?: boolean;
  /** IN_EXCL_UNLINK: no more events of a file that was unlinked and is still open. */
  excludeUnlinked?: boolean;
  /** IN_ONESHOT: one event, then the watch is gone. */
  oneShot?: boolean;
  /** IN_MASK_ADD: if the inode is already watched, add to its events, and do not replace them. */
  maskAdd?: boolean;
}

const optionsSchema = z.strictObject(inotifyOptionFields);
const addSchema = z.strictObject({
  events: fileEventsField,
  onlyDirectory: z.boolean().default(false),
  dontFollow: z.boolean().default(false),
  excludeUnlinked: z.boolean().default(false),
  oneShot: z.boolean().default(false),
  maskAdd: z.boolean().default(false),
});

const FLAGS = [
  ['onlyDirectory', constants.IN_ONLYDIR],
  ['dontFollow', constants.IN_DONT_FOLLOW],
  ['excludeUnlinked', constants.IN_EXCL_UNLINK],
  ['oneShot', constants.IN_ONESHOT],
  ['maskAdd', constants.IN_MASK_ADD],
] as const;

/**
 * Watches files and directories. It emits each change as `change`, in the kernel's order; a rename
 * is one record if both ends are watched.
 *
 * The kernel queues fs.inotify.max_queued_events events (16384 by default) if nothing reads them;
 * the next one is an `overflow`, and the rest is lost: look at the files themselves then.
 */
export class Inotify extends InotifySource<InotifyRecord> {
  readonly #watches: Map<number, InotifyWatch>;

  /**
   * Throws EMFILE when there are no fds left, or no inotify instances for this user; and a TypeError
   * for a wrong option.
   */
  constructor(options: InotifyOptions = {}) {
    const watches = new Map<number, InotifyWatch>();
    super(parseOptions('Inotify', optionsSchema, options), () => {
      for (const watch of watches.values()) watch.active = false;
      watches.clear();
    });
    this.#watches = watches;
  }

  /** The present watches; none once closed. */
  get watches(): Iterable<InotifyWatch> {
    return this.#watches.values();
  }

  /**
   * Watch `path`, a string or bytes. An inode that is already watched, under any path, keeps its
   * watch, which is returned, and from now on is watched only for `events` (see `maskAdd`).
   *
   * Throws ENOENT, EACCES, ENOTDIR (`onlyDirectory`), and ENOSPC when the user's limit of watches
   * is reached (fs.inotify.max_user_watches).
   */
  add(path: string | Uint8Array, options: InotifyAddOptions = {}): InotifyWatch {
    const settings = parseOptions('Inotify.add', addSchema, options);
    let mask = settings.events;
    for (const [name, flag] of FLAGS) if (settings[name]) mask |= flag;
    const id = this.addWatch(path, mask >>> 0);
    const known = this.#watches.get(id);
    if (known !== undefined) {
      known.mask = (settings.maskAdd ? known.mask | mask : mask) >>> 0;
      return known;
    }
    const text = typeof path === 'string' ? path : Buffer.from(path).toString();
    const watch = new InotifyWatch(text, id, mask >>> 0, (gone) => this.remove(gone));
    this.#watches.set(id, watch);
    return watch;
  }

  /** Stop watching: no more records of `watch`. Does nothing if it is already gone. */
  remove(watch: InotifyWatch): void {
    if (this.#watches.get(watch.id) !== watch) return;
    this.#forget(watch);
    if (this.closed) return;
    // EINVAL: the kernel has dropped it, and its IN_IGNORED is in the queue.
    const outcome = inotifyRmWatch(this.fd, watch.id);
    if (outcome !== -EINVAL) unwrap(outcome, 'inotify_rm_watch');
  }

  protected override onChange({ event, movedTo }: QueuedChange): void {
    if ((event.mask & IN_Q_OVERFLOW) !== 0) return this.deliver({ kind: 'overflow' });
    const from = this.#watches.get(event.wd);
    const target = movedTo === null ? undefined : this.#watches.get(movedTo.wd);
    if (movedTo !== null && target !== undefined) {
      if (from !== undefined) this.#deliverMove(event, from, movedTo, target);
      else this.#deliverChange(movedTo, target);
    } else if (from !== undefined) {
      this.#deliverChange(event, from);
    }
  }

  #deliverMove(
    event: QueuedChange['event'],
    from: InotifyWatch,
    movedTo: QueuedChange['event'],
    to: InotifyWatch,
  ): void {
    this.deliver({
      kind: 'move',
      from: placeOf(from, event.name),
      to: placeOf(to, movedTo.name),
      cookie: event.cookie,
      isDirectory: (event.mask & IN_ISDIR) !== 0,
    });
  }

  #deliverChange({ mask, name }: QueuedChange['event'], watch: InotifyWatch): void {
    const kind = kindOf(mask);
    if ((mask & IN_IGNORED) !== 0) this.#forget(watch);
    if (kind === null) return;
    const isDirectory = (mask & IN_ISDIR) !== 0;
    this.deliver({ kind, ...placeOf(watch, name), mask, isDirectory });
  }

  #forget(watch: InotifyWatch): void {
    this.#watches.delete(watch.id);
    watch.active = false;
  }
}
