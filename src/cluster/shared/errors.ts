/**
 * The errors of this room that are neither a wrong argument nor a failed system call: each has a stable
 * `code` and names the value. Wrong arguments are errors of base/check.ts, failed calls are
 * {@link SystemError}s.
 */

type Coded = Error & { code: string };

/** An error with a code of ours. */
export function codedError(code: string, text: string): Coded {
  return Object.assign(new Error(text), { code });
}

/** `what` was closed, and is used. */
export function closedError(what: string): Coded {
  return codedError('ERR_SHARED_CLOSED', `the ${what} is closed`);
}

/** As many threads as there are seats. */
export function tooManyThreadsError(limit: number): Coded {
  return codedError('ERR_TOO_MANY_THREADS', `no more than ${limit} threads can share this`);
}

/** A call that would block the main thread, and with it all of Node's timers, signals and messages. */
export function mainThreadError(call: string): Coded {
  const text = `${call} would block the main thread: call it in a worker, or with timeoutMs 0`;
  return codedError('ERR_MAIN_THREAD', text);
}
