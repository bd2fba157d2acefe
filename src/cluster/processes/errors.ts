/** Errors of a {@link Prefork}. Each has a `code`, and some a `cause`. */

/** An Error with a `code`. */
export type CodedError = Error & { code: string };

function coded(code: string, text: string, cause?: unknown): CodedError {
  const options = cause === undefined ? undefined : { cause };
  return Object.assign(new Error(text, options), { code });
}

/** The module cannot be loaded, has no `start`, or that has thrown. */
export function badModule(path: string, reason: string, cause?: unknown): CodedError {
  return coded('ERR_PREFORK_MODULE', `the module ${path} ${reason}`, cause);
}

/** A process has ended, or was killed, before `start` was done. */
export function notStarted(path: string, how: string): CodedError {
  return coded('ERR_PREFORK_START', `a process with the module ${path} has not started: ${how}`);
}

/** No more processes are started. */
export function tooManyCrashes(path: string, count: number, cause: unknown): CodedError {
  const text = `${count} crashes in a row of a process with the module ${path}: none is started any more`;
  return coded('ERR_PREFORK_CRASHES', text, cause);
}

/** The pool does not run: not yet, or not any more. */
export function notRunning(what: string): CodedError {
  return coded('ERR_PREFORK_NOT_RUNNING', `${what} of a pool of processes that does not run`);
}
