/**
 * Threads that load koffi.
 *
 * koffi throws, and so aborts the process, where it is loaded into a thread that is ending. So such a thread
 * is not terminated before it has loaded it, and the process's 'exit' waits for those that do.
 */
import { LOADING } from './protocol';

/** The wait is bounded: on an idle machine it takes 30 ms. */
const LOADING_MS = 5_000;
/** Between two looks whether a thread has loaded it. */
const LOOK_MS = 5;

/** The words of threads that have not ended. */
const threads = new Set<Int32Array>();

/** A word for a new thread, to be forgotten when that has ended. */
export function newProgress(): Int32Array {
  const word = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  // Before all other listeners: they may throw, or call process.exit(), and then no other is called.
  if (threads.size === 0) process.prependListener('exit', untilAllLoaded);
  threads.add(word);
  return word;
}

/** The thread has ended. */
export function forgetProgress(word: Int32Array): void {
  if (threads.delete(word) && threads.size === 0) process.off('exit', untilAllLoaded);
}

/** Resolves when the thread may be terminated. Does not block. */
export async function untilLoaded(word: Int32Array): Promise<void> {
  while (threads.has(word) && Atomics.load(word, 0) === LOADING) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function untilAllLoaded(): void {
  for (const word of threads) Atomics.wait(word, 0, LOADING, LOADING_MS);
}
