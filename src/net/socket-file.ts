/**
 * The file that bind(2) makes for the path of a unix socket. The kernel leaves it behind when the
 * socket is closed, and nobody could bind to the path again; whoever made it must remove it.
 */
import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { resolve } from 'node:path';

/** A file that was made by binding a socket: just now, or by whoever passed the socket on. */
export class SocketFile {
  readonly #path: string;
  readonly #made: Stats | null;

  /** `path` as it was bound; abstract and empty names have no file. */
  constructor(path: string) {
    // Absolute, because the working directory may change until the file is removed.
    this.#path = path.startsWith('\0') || path === '' ? '' : resolve(path);
    this.#made = this.#path === '' ? null : status(this.#path);
  }

  /** What `work` gives; the file is removed if it throws. */
  orRemove<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Remove the file, unless somebody else has put another one in its place. */
  remove(): void {
    if (this.#made === null || !isSame(this.#made, status(this.#path))) return;
    try {
      unlinkSync(this.#path);
    } catch {
      // Gone already, or not ours to remove any more: the socket is closed all the same.
    }
  }
}

function status(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

/** The number of a file that was removed is soon used again, so the time of its birth counts too. */
function isSame(made: Stats, now: Stats | null): boolean {
  if (now === null || now.ino !== made.ino || now.dev !== made.dev) return false;
  return now.birthtimeMs === made.birthtimeMs;
}
