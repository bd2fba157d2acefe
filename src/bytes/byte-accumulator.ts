/**
 * Bytes that arrive in pieces, kept in blocks and joined once, at the end. One buffer that grows by
 * doubling would hold up to twice the bytes, and the old buffer beside it while it grows.
 */

/**
 * The first block. Each next one is as long as all before it, so small messages have few blocks.
 */
const FIRST_BYTES = 1024;
/** No block is longer, unless a piece is. This bounds the memory beyond the received bytes. */
const MAX_BLOCK_BYTES = 64 * 1024;

/**
 * Collects the pieces of one message. It grows with the received bytes, never with an announced
 * length, and small pieces cost no object each. So a peer can use neither to exhaust memory.
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

  /** Bytes of memory held. */
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

  /** The message, which the caller owns from now on; this is empty again. */
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
