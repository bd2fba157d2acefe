/** Bytes that come in pieces, put together in one buffer that grows by doubling. */

const FIRST_BYTES = 1024;

/**
 * Collects the pieces of one message. It grows with what has come, never with what was announced,
 * and small pieces cost no object each: neither can be used to exhaust memory.
 */
export class ByteAccumulator {
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Append a copy of `piece`. Returns where it now stands. */
  append(piece: Uint8Array): Buffer {
    const start = this.#length;
    const end = start + piece.byteLength;
    if (end > this.#buffer.length) this.#grow(end);
    this.#buffer.set(piece, start);
    this.#length = end;
    return this.#buffer.subarray(start, end);
  }

  /** The message, which is the caller's from now on; this is empty again. */
  take(): Buffer {
    const message = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return message;
  }

  #grow(atLeast: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(atLeast, this.#buffer.length * 2, FIRST_BYTES));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
