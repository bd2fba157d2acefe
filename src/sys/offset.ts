/**
 * Positions in files: `off_t *` and `loff_t *`, 64 bits wide on every machine. A position is a
 * number, a safe integer: 8 PiB (2**53) are more than any disk of today.
 */
import { checkInteger } from '../base/check';

/** The memory of one position that C reads and advances. */
export class OffsetMemory {
  readonly #words = new Uint32Array(2);

  /**
   * Put `offset`, 0 to 2**53 - 1, into the memory and return it; null for null. The value that C
   * writes back is not read: it is `offset` plus the result of the call.
   */
  fill(offset: number | null, name: string): Uint32Array | null {
    if (offset === null) return null;
    checkInteger(name, offset, 0, Number.MAX_SAFE_INTEGER);
    // Every machine koffi supports is little-endian; a typed array keeps the low 32 bits.
    this.#words[0] = offset;
    this.#words[1] = Math.floor(offset / 2 ** 32);
    return this.#words;
  }
}
