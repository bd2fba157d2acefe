/** The options and the records of {@link InotifyTree}. */
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import type { SystemError } from '../../sys/errno';
import { type InotifyOptions, inotifyOptionFields } from './source';
import type { ChangeKind } from './words';

/** Options of {@link InotifyTree}. */
export interface InotifyTreeOptions extends InotifyOptions {
  /**
   * What to tell of the files themselves; all three if not given. That something is created,
   * deleted or moved is told always.
   */
  events?: readonly ('modify' | 'attributes' | 'closeWrite')[];
  /** Tell first what is there already, as `create` with `found: true`. */
  tellExisting?: boolean;
  /** Directories for which this says true are not watched, nor what is below them. */
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

/** A place in the tree: the root's path as it was given, and what is below. */
export interface TreePlace {
  /** As UTF-8. */
  readonly path: string;
  /** The path's bytes, if they are not UTF-8. */
  readonly rawPath: Buffer | null;
}

/** Something happened to a file or directory. */
export interface TreeChange extends TreePlace {
  /** `movedFrom` and `movedTo` alone: out of the tree, or into it. */
  readonly kind: ChangeKind;
  readonly isDirectory: boolean;
  /**
   * No event told it, but a listing: of a directory that is new here, or after an overflow. A file
   * that was found may have been written completely before, and then no `closeWrite` follows.
   */
  readonly found: boolean;
}

/**
 * A rename within the tree; of a directory, with all that is in it. Of two that were exchanged
 * (RENAME_EXCHANGE) one is told as a move in the place of the other, and that one as found.
 */
export interface TreeMove {
  readonly kind: 'move';
  readonly from: TreePlace;
  readonly to: TreePlace;
  readonly isDirectory: boolean;
}

/**
 * The kernel's queue was full, records are lost. The tree is listed anew: what was created and
 * deleted meanwhile is told right behind this, with `found: true`; which files were written is not
 * known, nor that something was replaced under the same name.
 */
export interface TreeOverflow {
  readonly kind: 'overflow';
}

/**
 * A directory that cannot be watched or read now, as without permission (EACCES), fds (EMFILE) or
 * watches (ENOSPC): nothing is told of what is in it. It is tried again, after 50 ms and then less and
 * less often, down to once in 10 s; when it can be watched, what is in it is told with `found: true`.
 */
export interface UnwatchedDirectory extends TreePlace {
  readonly kind: 'unwatched';
  readonly error: SystemError;
}

/**
 * The root was deleted, moved or unmounted; the tree closes. That a directory above it was renamed
 * changes nothing: the paths of the records stay as they were given.
 */
export interface RootGone extends TreePlace {
  readonly kind: 'rootGone';
}

/** What {@link InotifyTree} tells. */
export type TreeRecord = TreeChange | TreeMove | TreeOverflow | UnwatchedDirectory | RootGone;

/** A place from the bytes of its path. */
export function treePlace(path: Buffer): TreePlace {
  return { path: path.toString(), rawPath: isUtf8(path) ? null : path };
}
