/**
 * Views of one buffer that are made once and used again: messages of the same place and size, which
 * is what most traffic is made of, cost no allocation.
 */

/** Longer views are not kept: their handling costs more than a new object. */
const LONGEST = 4096;
const PLACES = 1024;

/** A direct-mapped cache of `Buffer` views. */
export class ViewCache {
  readonly #buffer: Buffer;
  readonly #views: (Buffer | undefined)[] = new Array(PLACES).fill(undefined);
  readonly #starts = new Int32Array(PLACES);

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** Bytes `start` to `end`, as `buffer.subarray(start, end)` gives them. */
  view(start: number, end: number): Buffer {
    const length = end - start;
    if (length > LONGEST) return this.#buffer.subarray(start, end);
    const place = (start * 31 + length) & (PLACES - 1);
    const kept = this.#views[place];
    if (kept !== undefined && this.#starts[place] === start && kept.length === length) return kept;
    const view = this.#buffer.subarray(start, end);
    this.#views[place] = view;
    this.#starts[place] = start;
    return view;
  }
}
