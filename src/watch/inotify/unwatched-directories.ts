/**
 * The directories of an {@link InotifyTree} that exist but could not be watched. They are tried
 * again: soon at first, then less and less often. It does no I/O.
 */
import { type TimerWheel, WheelTimer } from '../../loop/timer-wheel';
import { errno } from '../../sys/errno';
import type { Directory } from './directory-tree';

/** The first pause, and the longest. */
const RETRY_MS = 50;
const MAX_RETRY_MS = 10_000;
/** The maximum of directories tried at once: a few milliseconds of work. */
const RETRIES = 256;
const { ELOOP, EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, ENOTDIR } = errno;

/** Gone again, or no directory any more: later events say more. */
export const GONE: ReadonlySet<number> = new Set([-ENOENT, -ENOTDIR, -ELOOP]);
/** If it lacks for one directory, it lacks for all others. */
export const SCARCE: ReadonlySet<number> = new Set([-EMFILE, -ENFILE, -ENOMEM, -ENOSPC]);

/** Names in watched directories. */
export class UnwatchedDirectories {
  readonly #names = new Map<Directory, Set<string>>();

  readonly #timers: TimerWheel;
  readonly #timer: WheelTimer;
  #pauseMs = RETRY_MS;

  /**
   * `onRetry` is called when it is time to try again; it calls {@link retryLater} if that failed.
   */
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

  /** Call `onRetry` after a pause. */
  retryLater(): void {
    this.#timers.schedule(this.#timer, this.#pauseMs);
  }

  /** Forget all, and make no more calls. */
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

  /** Forget the entries of `parent`, which is not watched any more. */
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
