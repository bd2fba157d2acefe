/**
 * The form of a stream's chunks on its channel: portions of bytes, and ranges of files.
 *
 * A range stands among a stream's chunks as a chunk of zeros, which takes its place: so the order, the
 * corks and the end are the stream's own, and its back-pressure too. Were it empty, a peer that does
 * not read a file could go on sending requests. Pure but for that; nothing is sent here.
 */

import type { HeldRange } from '../../bytes/file-range';
import { allocateLent } from '../../bytes/lent-memory';

/** Chunks of a portion, at most: a channel takes many small ones for a peer that does not read. */
const PORTION_CHUNKS = 1_024;

const ranges = new WeakMap<Uint8Array, HeldRange>();

/** The memory that places are views of; never sent. Longer than the usual high-water mark. */
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

/** Where short writes are put together; lent, so that a queue copies what it keeps of it. */
export const scratch: Buffer = allocateLent(16 * 1024);
const SCRATCH_BYTES = scratch.byteLength;

/** A chunk as a stream keeps it. */
export interface Chunk {
  readonly chunk: Buffer | string;
  readonly encoding: BufferEncoding;
}

/**
 * Put the bytes of `chunks` into {@link scratch}, strings without a buffer of their own. Returns how
 * many; -1 if they do not fit, or one is a range.
 */
export function gather(chunks: readonly Chunk[]): number {
  let end = 0;
  for (let index = 0; index < chunks.length; index += 1) {
    const { chunk, encoding } = chunks[index] as Chunk;
    if (typeof chunk === 'string') {
      // UTF-8 takes at most three bytes for a UTF-16 unit; the others take fewer.
      if (end + chunk.length * 3 > SCRATCH_BYTES) return -1;
      end += scratch.write(chunk, end, encoding);
    } else {
      if (end + chunk.length > SCRATCH_BYTES || chunk.buffer === zeros.buffer) return -1;
      scratch.set(chunk, end);
      end += chunk.length;
    }
  }
  return end;
}

/** The bytes of a chunk. */
export function bytesOf({ chunk, encoding }: Chunk): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
}
