/**
 * The last renames that replaced something. They identify the second half of an exchange: the
 * kernel reports RENAME_EXCHANGE of renameat2(2) as two renames, there and back. Other renames may
 * come between.
 */
import type { Directory } from './directory-tree';

/** A rename between two names. */
export interface Way {
  source: Directory;
  oldName: string;
  target: Directory;
  newName: string;
}

/** The maximum of renames between the two halves: the kernel queues those almost at once. */
const KEPT = 8;

/** The last few renames. */
export class RecentMoves {
  readonly #ways: Way[] = [];

  add(way: Way): void {
    if (this.#ways.length === KEPT) this.#ways.shift();
    this.#ways.push(way);
  }

  /** Whether the reverse of `way` was among them; it is then removed. */
  hasReverse({ source, oldName, target, newName }: Way): boolean {
    const index = this.#ways.findIndex(
      (one) =>
        one.source === target &&
        one.oldName === newName &&
        one.target === source &&
        one.newName === oldName,
    );
    if (index >= 0) this.#ways.splice(index, 1);
    return index >= 0;
  }
}
