/**
 * What the chunks of a stream become on its channel: portions of bytes, and ranges of files.
 *
 * A range stands among a stream's chunks as an empty one, which takes its place: so the order, the
 * corks and the end are the stream's own. Pure but for that; nothing is sent here.
 */
import type { FileRange } from './file-range';

/** A range, with the fd of its file. */
export interface PlacedRange extends FileRange {
  readonly fd: number;
}

/** Chunks of a portion, at most: a channel takes many small ones for a peer that does not read. */
const PORTION_CHUNKS = 1_024;

const ranges = new WeakMap<Uint8Array, PlacedRange>();

/** The chunk to write for a range. */
export function placeFor(range: PlacedRange): Buffer {
  const place = Buffer.alloc(0);
  ranges.set(place, range);
  return place;
}

/** Take the range that stands at the end of `chunks`; null if bytes do, or nothing. */
export function takeRange(chunks: Buffer[]): PlacedRange | null {
  const last = chunks.at(-1);
  const range = last?.byteLength === 0 ? ranges.get(last) : undefined;
  if (range === undefined) return null;
  chunks.pop();
  return range;
}

/**
 * Take what comes next from the end of `chunks`: at most `limit` bytes and {@link PORTION_CHUNKS}
 * chunks, no empty chunk, no range.
 */
export function takePortion(chunks: Buffer[], limit: number): Buffer[] {
  const portion: Buffer[] = [];
  let left = limit;
  while (left > 0 && portion.length < PORTION_CHUNKS) {
    const chunk = chunks.at(-1);
    if (chunk === undefined || ranges.has(chunk)) break;
    chunks.pop();
    if (chunk.byteLength > left) chunks.push(chunk.subarray(left));
    const part = chunk.subarray(0, left);
    if (part.byteLength > 0) portion.push(part);
    left -= part.byteLength;
  }
  return portion;
}
