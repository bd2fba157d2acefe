/** Paths for C: bytes with a final NUL. A name on Linux is any bytes but NUL and "/". */
import { types } from 'node:util';
import { bytesOf, checkWhole, invalidType, outOfRange } from '../base/check';

/**
 * The bytes of `path`, a string (as UTF-8) or bytes, with the NUL that C expects. Throws a TypeError
 * for anything else, and a RangeError for a path that holds a NUL itself: C would cut it there.
 */
export function encodePath(path: string | Uint8Array, name = 'path'): Uint8Array {
  const text = typeof path === 'string' ? Buffer.from(path) : path;
  if (!types.isUint8Array(text)) throw invalidType(name, 'a string, Buffer or Uint8Array', path);
  const bytes = new Uint8Array(checkWhole(text, name) + 1);
  bytes.set(bytesOf(text));
  if (bytes.indexOf(0) < bytes.byteLength - 1) throw outOfRange(name, 'without a NUL', path);
  return bytes;
}
