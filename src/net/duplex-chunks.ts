/**
 * What the chunks of a stream become on its channel: portions of bytes, and ranges of files.
 *
 * A range stands among a stream's chunks as a chunk of zeros, which takes its place: so the order, the
 * corks and the end are the stream's own, and its back-pressure too. Were it empty, a peer that does
 * not read a file could go on sending requests. Pure but for that; nothing is sent here.
 */
import type { HeldRange } from './file-range';

/** Chunks of a portion, at most: a channel takes many small ones for a peer that does not read. */
const PORTION_CHUNKS = 1_024;

const ranges = new WeakMap<Uint8Array, HeldRange>();

/** What places are views of; never sent. Longer than the usual high-water mark. */
const zeros = Buffer.alloc(64 * 1024);

/** The chunk to write for a range: as long, but for a longest one. */
export function placeFor(range: HeldRange): Buffer {
  const place = zeros.subarray(0, Math.min(range.length, zeros.byteLength));
  ranges.set(place, range);
  return place;
}

/** Take the range that stands at the end of `chunks`; null if bytes do, or nothing. */
export function takeRange(chunks: Buffer[]): HeldRange | null {
  const last = chunks.at(-1);
  const range = last?.buffer === zeros.buffer ? ranges.get(last) : undefined;
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
