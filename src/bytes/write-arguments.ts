/**
 * The arguments of `write(data, [encoding], [callback])`, as node:net has them. All are checked before
 * anything is sent: a write that throws has had no effect.
 */

import { types } from 'node:util';
import { describe, invalidType } from '../base/check';
import { unknownEncoding } from '../base/errors';
import type { WriteCallback } from './write-queue';

const { isUint8Array } = types;

/** The argument that may follow `data`. */
export type WriteExtra = BufferEncoding | WriteCallback | null | undefined;

/** The callback among `extra` and `last`, the arguments behind `data`. Throws a TypeError for others. */
export function callbackOf(extra: WriteExtra, last: unknown): WriteCallback | undefined {
  if (extra === undefined && last === undefined) return undefined;
  const isCallback = typeof extra === 'function';
  if (isCallback && last !== undefined) {
    throw invalidType('encoding', 'a string', extra);
  }
  if (!isCallback) checkEncoding(extra);
  const callback = isCallback ? extra : last;
  if (callback === undefined || typeof callback === 'function') {
    return callback as WriteCallback | undefined;
  }
  throw invalidType('callback', 'a function', callback);
}

/** `data`, which is sent as it is if it is bytes or a string in UTF-8; another string as its bytes. */
export function checkedData(data: unknown, extra: WriteExtra): string | Uint8Array {
  if (isUint8Array(data)) return data;
  if (typeof data !== 'string') {
    throw invalidType('data', 'a string, a Buffer or a Uint8Array', data);
  }
  return typeof extra !== 'string' || isUtf8(extra) ? data : Buffer.from(data, extra);
}

function isUtf8(encoding: string): boolean {
  return /^utf-?8$/i.test(encoding);
}

/** Node's own error, by its name and code. */
function checkEncoding(encoding: unknown): void {
  if (encoding === undefined || encoding === null) return;
  if (typeof encoding !== 'string') {
    throw invalidType('encoding', 'a string, or a function as the callback', encoding);
  }
  if (encoding === 'buffer' || Buffer.isEncoding(encoding)) return;
  throw unknownEncoding(describe(encoding));
}
