/**
 * inotify events in their order, with the two halves of a rename joined. It does no I/O.
 *
 * A rename is IN_MOVED_FROM and then IN_MOVED_TO with the same cookie. The kernel queues the second
 * right behind the first, but not in one step: a read may end between them, events of other
 * directories may come between them, and the second never comes if the target is not watched. So
 * the first half waits a moment for the second, and all later events wait behind it: "moved away"
 * emitted after a later "created" of the same name would mean that the new file is gone.
 */
import { IN_MOVED_FROM, IN_MOVED_TO } from '../../sys/constants';
import type { InotifyEvent } from '../../sys/inotify';

/** An event, or both events of a rename. */
export interface QueuedChange {
  readonly event: InotifyEvent;
  /** The IN_MOVED_TO that belongs to `event`, an IN_MOVED_FROM. */
  movedTo: InotifyEvent | null;
}

interface Item extends QueuedChange {
  /** The end of an IN_MOVED_FROM's wait, in milliseconds of `performance.now()`; else 0. */
  deadline: number;
}

/** The maximum of held events; beyond it the first one waits no longer. */
const MAX_HELD = 16_384;

/** Holds events until it is known whether they are renames. */
export class RenameQueue {
  readonly #waitMs: number;
  #items: Item[] = [];
  #head = 0;
  readonly #waiting = new Map<number, Item>();

  /** `waitMs`: the time for which the first half of a rename waits for the second. */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** Whether the last event is the first half of a rename: the other may be there to read. */
  get endsInHalf(): boolean {
    return this.#isWaiting(this.#items.at(-1));
  }

  /**
   * The time at which the first event must be delivered without its other half; Infinity if never.
   */
  get deadline(): number {
    const first = this.#items[this.#head];
    return this.#isWaiting(first) ? (first as Item).deadline : Infinity;
  }

  push(event: InotifyEvent): void {
    const { mask, cookie } = event;
    if ((mask & IN_MOVED_TO) !== 0) {
      const from = this.#waiting.get(cookie);
      this.#waiting.delete(cookie);
      if (from !== undefined) {
        from.movedTo = event;
        return;
      }
    }
    const isHalf = (mask & IN_MOVED_FROM) !== 0;
    const deadline = isHalf ? performance.now() + this.#waitMs : 0;
    const item = { event, movedTo: null, deadline };
    if (isHalf) this.#waiting.set(cookie, item);
    this.#items.push(item);
  }

  /** The next change; null if there is none, or while the first one waits for its other half. */
  next(): QueuedChange | null {
    const first = this.#items[this.#head];
    if (first === undefined) return null;
    if (this.#isWaiting(first)) {
      const isLate = performance.now() >= first.deadline;
      if (!isLate && this.#items.length - this.#head < MAX_HELD) return null;
      this.#waiting.delete(first.event.cookie);
    }
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    }
    return first;
  }

  #isWaiting(item: Item | undefined): boolean {
    return item !== undefined && this.#waiting.get(item.event.cookie) === item;
  }
}
