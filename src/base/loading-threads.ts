/**
 * Threads that load koffi.
 *
 * koffi throws, and so aborts the process, where it is loaded into a thread that is ending. So a thread that is
 * still loading it is not terminated, and the process's 'exit' waits for it. A word of shared memory says how
 * far the thread is. A user's module may load koffi too; then the thread marks the word after that.
 */

const LOADING = 0;
const LOADED = 1;
/** The end of the process waits at most so long: loading takes 30 ms on an idle machine. */
const LIMIT_MS = 5_000;
/** A thread that takes longer hangs, and is terminated at that risk. */
const TERMINATE_LIMIT_MS = 60_000;
/** Between two looks whether a thread has loaded it. */
const LOOK_MS = 5;

/** The words of guarded threads, each with a call for 'exit'. */
const guarded = new Map<Int32Array, () => void>();

/** A word for a thread that is about to be started. */
export function newLoadingWord(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
}

/** In the thread: it may be ended from outside from now on. */
export function markLoaded(word: Int32Array): void {
  Atomics.store(word, 0, LOADED);
  Atomics.notify(word, 0);
}

/** A thread starts with `word`. At 'exit', `onExit` is called, before the wait for any thread. */
export function guardLoading(word: Int32Array, onExit: () => void = () => {}): void {
  Atomics.store(word, 0, LOADING);
  // Before all other listeners: they may throw, or call process.exit(), and then no other is called.
  if (guarded.size === 0) process.prependListener('exit', onProcessExit);
  guarded.set(word, onExit);
}

/** The thread of `word` has ended. */
export function releaseLoading(word: Int32Array): void {
  if (guarded.delete(word) && guarded.size === 0) process.off('exit', onProcessExit);
}

/** Resolves when the thread may be terminated, or after `limitMs`. Does not block. */
export async function untilLoaded(
  word: Int32Array,
  limitMs: number = TERMINATE_LIMIT_MS,
): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += LOOK_MS) {
    if (!guarded.has(word) || Atomics.load(word, 0) !== LOADING) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function onProcessExit(): void {
  for (const onExit of guarded.values()) onExit();
  for (const word of guarded.keys()) Atomics.wait(word, 0, LOADING, LIMIT_MS);
}
