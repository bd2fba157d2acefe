/** A watched path of {@link Inotify}, and its records. */
import { isUtf8 } from 'node:buffer';
import type { ChangeKind } from './words';

/** One watched inode. */
export class InotifyWatch {
  /** The path as first given; the kernel follows the inode, also after a move. */
  readonly path: string;
  /** The kernel's watch descriptor. It is never reused. */
  readonly id: number;
  /** The watched events, with the flags of inotify_add_watch(2). Unsigned. */
  mask: number;
  /** Maintained by its {@link Inotify}: false once removed, by us or by the kernel, or closed. */
  active = true;
  readonly #remove: (watch: InotifyWatch) => void;

  constructor(path: string, id: number, mask: number, remove: (watch: InotifyWatch) => void) {
    this.path = path;
    this.id = id;
    this.mask = mask;
    this.#remove = remove;
  }

  /** Stop: no more records. A second call does nothing. */
  remove(): void {
    this.#remove(this);
  }
}

/** A name in a watched directory, or the watched thing itself. */
export interface FilePlace {
  readonly watch: InotifyWatch;
  /** As UTF-8; empty for the watched thing itself. */
  readonly name: string;
  /** The name's bytes, if they are not UTF-8. */
  readonly rawName: Buffer | null;
  /** The watch's path, and the name. */
  readonly path: string;
}

/** Something happened to a file. */
export interface FileChange extends FilePlace {
  /**
   * `movedFrom` and `movedTo` alone: the other end is not watched. `ignored`: the kernel has
   * dropped the watch, because the watched thing is deleted or unmounted, or the watch was
   * one-shot.
   */
  readonly kind: ChangeKind;
  /** The kernel's mask. Unsigned. */
  readonly mask: number;
  readonly isDirectory: boolean;
}

/** A rename with both ends in watched directories. */
export interface FileMove {
  readonly kind: 'move';
  readonly from: FilePlace;
  readonly to: FilePlace;
  /** The kernel's number for this rename. */
  readonly cookie: number;
  readonly isDirectory: boolean;
}

/** The kernel's queue was full (fs.inotify.max_queued_events): records are lost. */
export interface QueueOverflow {
  readonly kind: 'overflow';
}

/** The records of {@link Inotify}. */
export type InotifyRecord = FileChange | FileMove | QueueOverflow;

/** A place from the bytes of its name. */
export function placeOf(watch: InotifyWatch, bytes: Buffer): FilePlace {
  const name = bytes.toString();
  const path = name === '' ? watch.path : joinPath(watch.path, name);
  return { watch, name, rawName: isUtf8(bytes) ? null : bytes, path };
}

function joinPath(folder: string, name: string): string {
  return folder.endsWith('/') ? folder + name : `${folder}/${name}`;
}
