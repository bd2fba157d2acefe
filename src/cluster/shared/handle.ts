/**
 * The handle by which shared memory goes from thread to thread: a plain object round a SharedArrayBuffer,
 * which structured clone carries (`workerData`, `postMessage`). The first word of the memory says what it is,
 * the others in front say its sizes, so that a handle of something else is refused and not misread.
 */

import { types } from 'node:util';
import { describe, invalidType } from '../../base/check';
import { wrongValue } from '../../base/errors';

/** What `share()` returns and `open()` takes. It cannot leave the process. */
export interface SharedHandle {
  /** The memory. Nothing in it is for users. */
  readonly memory: SharedArrayBuffer;
}

/** The memory of `handle` as words, if its first one is `magic` and it has room for `headerWords`. */
export function wordsOfHandle(
  owner: string,
  handle: unknown,
  magic: number,
  headerWords: number,
): Int32Array {
  const memory = (handle as Partial<SharedHandle> | null | undefined)?.memory;
  if (!types.isSharedArrayBuffer(memory)) {
    throw invalidType('handle', `what ${owner}.share() returned`, handle);
  }
  if (memory.byteLength % 8 !== 0 || memory.byteLength < headerWords * 4) {
    throw wrongHandle(owner, memory);
  }
  const words = new Int32Array(memory);
  if (words[0] !== magic) throw wrongHandle(owner, memory);
  return words;
}

/** The memory is not that of an `owner`. */
export function wrongHandle(owner: string, memory: SharedArrayBuffer): Error {
  const text = `The "handle" argument is of no ${owner}. Received ${describe(memory)}`;
  return wrongValue(text);
}
