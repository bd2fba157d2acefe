/**
 * Views of one buffer that are made once and reused: messages of the same place and size, as in
 * most traffic, cost no allocation.
 */

const PLACES = 1024;
/** Lengths that are multiples of it, as most long ones are, get places of their own. */
const PLACE_BITS = 10;

/** A direct-mapped cache of `Buffer` views. */
export class ViewCache {
  readonly #buffer: Buffer;
  readonly #views: (Buffer | undefined)[] = new Array(PLACES).fill(undefined);
  readonly #starts = new Int32Array(PLACES);

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** Bytes `start` to `end`, equal to `buffer.subarray(start, end)`. */
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
