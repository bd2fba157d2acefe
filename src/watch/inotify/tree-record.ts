/** The options and the records of {@link InotifyTree}. */
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import type { SystemError } from '../../sys/errno';
import { type InotifyOptions, inotifyOptionFields } from './source';
import type { ChangeKind } from './words';

/** Options of {@link InotifyTree}. */
export interface InotifyTreeOptions extends InotifyOptions {
  /**
   * The changes of files to emit; all three if not given. Creating, deleting and moving are always
   * emitted.
   */
  events?: readonly ('modify' | 'attributes' | 'closeWrite')[];
  /** First emit the existing entries, as `create` with `found: true`. */
  tellExisting?: boolean;
  /** A directory for which this returns true is not watched, nor anything below it. */
  ignore?: (path: string) => boolean;
}

/** The schema of {@link InotifyTreeOptions}. */
export const inotifyTreeSchema = z.strictObject({
  ...inotifyOptionFields,
  events: z
    .array(z.enum(['modify', 'attributes', 'closeWrite']))
    .default(['modify', 'attributes', 'closeWrite']),
  tellExisting: z.boolean().default(false),
  ignore: z.custom<(path: string) => boolean>((value) => typeof value === 'function').optional(),
});

/** A place in the tree: the root's path as given, and the names below. */
export interface TreePlace {
  /** As UTF-8. */
  readonly path: string;
  /** The path's bytes, if they are not UTF-8. */
  readonly rawPath: Buffer | null;
}

/** Something happened to a file or directory. */
export interface TreeChange extends TreePlace {
  /** `movedFrom` and `movedTo` are emitted only for moves out of the tree, and into it. */
  readonly kind: ChangeKind;
  readonly isDirectory: boolean;
  /**
   * A listing found it, not an event: of a new directory, or after an overflow. The file may have
   * been written completely before, and then no `closeWrite` follows.
   */
  readonly found: boolean;
}

/**
 * A rename within the tree; of a directory, with everything in it. If two names were exchanged
 * (RENAME_EXCHANGE), one is emitted as a move to the place of the other, and the other one as
 * found.
 */
export interface TreeMove {
  readonly kind: 'move';
  readonly from: TreePlace;
  readonly to: TreePlace;
  readonly isDirectory: boolean;
}

/**
 * The kernel's queue was full, and records are lost. The tree is listed anew: creations and
 * deletions of the meantime follow right behind this, with `found: true`. Writes of the meantime,
 * and replacements under the same name, are not known.
 */
export interface TreeOverflow {
  readonly kind: 'overflow';
}

/**
 * A directory that cannot be watched or read now, for lack of permission (EACCES), fds (EMFILE) or
 * watches (ENOSPC): no change in it is emitted. The tree tries again after 50 ms and then less and
 * less often, down to once in 10 s. When it succeeds, the entries are emitted with `found: true`.
 */
export interface UnwatchedDirectory extends TreePlace {
  readonly kind: 'unwatched';
  readonly error: SystemError;
}

/**
 * The root was deleted, moved or unmounted; the tree closes. A rename of a directory above the root
 * changes nothing: the paths of the records stay as given.
 */
export interface RootGone extends TreePlace {
  readonly kind: 'rootGone';
}

/** The records of {@link InotifyTree}. */
export type TreeRecord = TreeChange | TreeMove | TreeOverflow | UnwatchedDirectory | RootGone;

/** A place from the bytes of its path. */
export function treePlace(path: Buffer): TreePlace {
  return { path: path.toString(), rawPath: isUtf8(path) ? null : path };
}
