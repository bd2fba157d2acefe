/** The masking of RFC 6455, section 5.3: byte i of the payload is XORed with byte i mod 4 of the key. */

/** Below this, byte by byte is faster than first reaching a word boundary. */
const WORDWISE_FROM = 32;

// The words of the buffer unmasked last; mostly the next one lies in the same memory.
let words = new Int32Array(0);

/**
 * Unmask bytes `start` to `end` of `bytes` in place. `key` is the masking key read as a
 * little-endian 32-bit number. Returns the key rotated for the rest of the payload, which may
 * arrive in pieces.
 */
export function unmask(bytes: Buffer, start: number, end: number, key: number): number {
  let at = start;
  let turned = key;
  if (end - start >= WORDWISE_FROM) {
    if (words.buffer !== bytes.buffer) words = wordsOf(bytes.buffer);
    while (((bytes.byteOffset + at) & 3) !== 0) {
      bytes[at] = (bytes[at] as number) ^ (turned & 0xff);
      turned = (turned >>> 8) | (turned << 24);
      at += 1;
    }
    const first = (bytes.byteOffset + at) >>> 2;
    const count = Math.min((end - at) >>> 2, words.length - first);
    for (let index = first; index < first + count; index += 1) {
      words[index] = (words[index] as number) ^ turned;
    }
    at += count * 4;
  }
  for (; at < end; at += 1) {
    bytes[at] = (bytes[at] as number) ^ (turned & 0xff);
    turned = (turned >>> 8) | (turned << 24);
  }
  return turned;
}

function wordsOf(buffer: ArrayBufferLike): Int32Array<ArrayBuffer> {
  return new Int32Array(buffer as ArrayBuffer, 0, buffer.byteLength >>> 2);
}
