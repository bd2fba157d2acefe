/**
 * Bytes that come in pieces, kept in blocks and put together once, at the end. One buffer that grows
 * by doubling would hold up to twice what has come, and the old one beside it while it grows.
 */

/** The first block; the next ones are as long as all before them, so that small messages have few. */
const FIRST_BYTES = 1024;
/** No block is longer, unless a piece is: so much more than what has come is held at most. */
const MAX_BLOCK_BYTES = 64 * 1024;

/**
 * Collects the pieces of one message. It grows with what has come, never with what was announced,
 * and small pieces cost no object each: neither can be used to exhaust memory.
 */
export class ByteAccumulator {
  /** The full blocks, in order. */
  #blocks: Buffer[] = [];
  #last: Buffer = Buffer.alloc(0);
  /** Bytes used of `#last`. */
  #used = 0;
  #length = 0;
  #capacity = 0;

  get length(): number {
    return this.#length;
  }

  /** Bytes of memory that are held. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Append a copy of `piece`. */
  append(piece: Uint8Array): void {
    const room = Math.min(this.#last.length - this.#used, piece.byteLength);
    const rest = piece.byteLength - room;
    this.#put(rest === 0 ? piece : piece.subarray(0, room));
    if (rest === 0) return;
    this.#grow(rest);
    this.#put(room === 0 ? piece : piece.subarray(room));
  }

  /** The message, which is the caller's from now on; this is empty again. */
  take(): Buffer {
    const message =
      this.#blocks.length === 0
        ? this.#last.subarray(0, this.#used)
        : Buffer.concat([...this.#blocks, this.#last.subarray(0, this.#used)], this.#length);
    this.#blocks = [];
    this.#last = Buffer.alloc(0);
    this.#used = 0;
    this.#length = 0;
    this.#capacity = 0;
    return message;
  }

  #put(piece: Uint8Array): void {
    this.#last.set(piece, this.#used);
    this.#used += piece.byteLength;
    this.#length += piece.byteLength;
  }

  #grow(atLeast: number): void {
    if (this.#used > 0) this.#blocks.push(this.#last);
    const bytes = Math.max(atLeast, FIRST_BYTES, Math.min(this.#length, MAX_BLOCK_BYTES));
    this.#last = Buffer.allocUnsafeSlow(bytes);
    this.#used = 0;
    this.#capacity += bytes;
  }
}
