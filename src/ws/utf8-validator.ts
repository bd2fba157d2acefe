/**
 * Checks UTF-8 that arrives in pieces, and refuses it at the first byte that cannot be right (RFC
 * 6455, section 8.1; RFC 3629). Node's own `isUtf8` checks whole characters; only the bytes of a
 * character that is cut by the end of a piece are followed one by one.
 */
import { isUtf8 } from 'node:buffer';

/** Validates one text. */
export class Utf8Validator {
  /** Continuation bytes missing from the character under way. */
  #missing = 0;
  /** The range of the next continuation byte: narrower after E0, ED, F0 and F4. */
  #lowest = 0x80;
  #highest = 0xbf;

  /** Whether the text may end here. */
  get complete(): boolean {
    return this.#missing === 0;
  }

  /** Take the next piece. Returns false as soon as the text cannot be UTF-8 any more. */
  push(piece: Buffer): boolean {
    let start = 0;
    while (this.#missing > 0 && start < piece.length) {
      if (!this.#step(piece[start] as number)) return false;
      start += 1;
    }
    const end = lastBoundary(piece, start);
    if (end > start && !isUtf8(piece.subarray(start, end))) return false;
    for (let at = end; at < piece.length; at += 1) {
      if (!this.#step(piece[at] as number)) return false;
    }
    return true;
  }

  #step(byte: number): boolean {
    if (this.#missing === 0) return this.#lead(byte);
    if (byte < this.#lowest || byte > this.#highest) return false;
    this.#lowest = 0x80;
    this.#highest = 0xbf;
    this.#missing -= 1;
    return true;
  }

  #lead(byte: number): boolean {
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.#missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    // Overlong forms, surrogates, and values past U+10FFFF.
    if (byte === 0xe0) this.#lowest = 0xa0;
    if (byte === 0xed) this.#highest = 0x9f;
    if (byte === 0xf0) this.#lowest = 0x90;
    if (byte === 0xf4) this.#highest = 0x8f;
    return true;
  }
}

/** The start of the last character that may be cut: at most three bytes before the end. */
function lastBoundary(piece: Buffer, start: number): number {
  const earliest = Math.max(start, piece.length - 3);
  for (let at = piece.length - 1; at >= earliest; at -= 1) {
    const byte = piece[at] as number;
    if (byte >= 0xc0) return at;
    if (byte < 0x80) break;
  }
  return piece.length;
}

const ASCII_LIMIT = 128;

/** Whether a whole text is UTF-8. Short ASCII, as most messages are, needs no call into C++. */
export function isWholeUtf8(text: Buffer): boolean {
  if (text.length > ASCII_LIMIT) return isUtf8(text);
  for (let at = 0; at < text.length; at += 1) {
    if ((text[at] as number) >= 0x80) return isUtf8(text);
  }
  return true;
}
