/**
 * The directories of an {@link InotifyTree} that are there and could not be watched, to be tried
 * again after a while: soon at first, then less and less often. It does no I/O.
 */
import { type TimerWheel, WheelTimer } from '../../loop/timer-wheel';
import { errno } from '../../sys/errno';
import type { Directory } from './directory-tree';

/** The first pause, and the longest. */
const RETRY_MS = 50;
const MAX_RETRY_MS = 10_000;
/** Directories that are tried again in one go: a few milliseconds of work. */
const RETRIES = 256;
const { ELOOP, EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, ENOTDIR } = errno;

/** Gone again, or no directory any more: the events to come say more. */
export const GONE: ReadonlySet<number> = new Set([-ENOENT, -ENOTDIR, -ELOOP]);
/** What is wanting for one directory is so for all others. */
export const SCARCE: ReadonlySet<number> = new Set([-EMFILE, -ENFILE, -ENOMEM, -ENOSPC]);

/** Names in watched directories. */
export class UnwatchedDirectories {
  readonly #names = new Map<Directory, Set<string>>();

  readonly #timers: TimerWheel;
  readonly #timer: WheelTimer;
  #pauseMs = RETRY_MS;

  /** `onRetry` is called when it is time to try again, and calls {@link retryLater} if it failed. */
  constructor(timers: TimerWheel, onRetry: () => void) {
    this.#timers = timers;
    this.#timer = new WheelTimer({
      onTimer: () => {
        this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_RETRY_MS);
        onRetry();
        if (this.#names.size > 0) this.retryLater();
      },
    });
  }

  /** Have `onRetry` called after a pause. */
  retryLater(): void {
    this.#timers.schedule(this.#timer, this.#pauseMs);
  }

  /** Forget all, and call nothing any more. */
  close(): void {
    this.#names.clear();
    this.#timers.cancel(this.#timer);
  }

  has(parent: Directory, name: string): boolean {
    return this.#names.get(parent)?.has(name) === true;
  }

  /** Returns whether it is new here; else it is put at the end. */
  add(parent: Directory, name: string): boolean {
    const isNew = !this.delete(parent, name);
    if (isNew) this.#pauseMs = RETRY_MS;
    const names = this.#names.get(parent) ?? new Set();
    names.add(name);
    this.#names.set(parent, names);
    return isNew;
  }

  /** Returns whether it was here. */
  delete(parent: Directory, name: string): boolean {
    const names = this.#names.get(parent);
    if (names?.delete(name) !== true) return false;
    if (names.size === 0) this.#names.delete(parent);
    return true;
  }

  /** Forget what is in `parent`, which is watched no more. */
  forget(parent: Directory): void {
    this.#names.delete(parent);
  }

  /** The first of them, as many as may be tried again in one go. */
  first(): [parent: Directory, name: string][] {
    const found: [Directory, string][] = [];
    for (const [parent, names] of this.#names) {
      for (const name of names) {
        if (found.length === RETRIES) return found;
        found.push([parent, name]);
      }
    }
    return found;
  }
}
