/**
 * Views of one buffer that are made once and used again: messages of the same place and size, which
 * is what most traffic is made of, cost no allocation.
 */

const PLACES = 1024;
/** So that lengths which are multiples of it, as most long ones, have places of their own. */
const PLACE_BITS = 10;

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
    const place = (start * 31 + length + (length >>> PLACE_BITS)) & (PLACES - 1);
    const kept = this.#views[place];
    if (kept !== undefined && this.#starts[place] === start && kept.length === length) return kept;
    const view = this.#buffer.subarray(start, end);
    this.#views[place] = view;
    this.#starts[place] = start;
    return view;
  }
}
