/**
 * The number of connections of each peer, for a server that limits it. A number identifies a peer:
 * its network (see `addressNetwork`) or its user.
 */

/** Identifies a peer. */
export type PeerKey = number | bigint;

/** Counts connections of class `C`, up to a maximum per peer. */
export class PeerCounts<C> {
  readonly #max: number;
  readonly #counts = new Map<PeerKey, number>();
  readonly #keys = new Map<C, PeerKey>();

  /** `max`: connections of each peer. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Whether this peer has its maximum. */
  isFull(key: PeerKey): boolean {
    return (this.#counts.get(key) ?? 0) >= this.#max;
  }

  /** Count a connection of this peer. */
  add(connection: C, key: PeerKey): void {
    this.#keys.set(connection, key);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** Forget a connection, if it was counted; a peer without any costs no memory. */
  remove(connection: C): void {
    const key = this.#keys.get(connection);
    if (key === undefined) return;
    this.#keys.delete(connection);
    const left = (this.#counts.get(key) ?? 0) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }
}
