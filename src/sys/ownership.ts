/**
 * Fds that end with their JavaScript thread.
 *
 * When a worker ends, also by `terminate()` in the middle of a statement, Node closes the fds that
 * it opened for the worker. Node knows nothing of fds that we opened: they would stay open, and
 * their peers would wait, for as long as the process lives. So in a worker each fd of ours is
 * registered with Node as a cleanup hook, which is libc's own close(2) with the fd as its argument:
 * no JavaScript has to run. In the main thread none of this is needed, because the kernel closes
 * all fds when the process ends.
 *
 * Stdin, stdout and stderr, 0 to 2, are not closed, as little as `process.stdout` closes its own. A
 * number that is free goes to whatever is opened next, and libuv ends the process when it closes an
 * fd of its own with such a number (`assert(fd > STDERR_FILENO)`). A listener that was passed as one
 * of these must end all the same: see {@link closeOrRedirectToNull}.
 */
import { openSync } from 'node:fs';
import { isMainThread, parentPort } from 'node:worker_threads';
import { checkFd } from '../base/check';
import { dup3 } from './fds';
import { close } from './io';
import { addressOf, declareOptional, environment } from './libc';

// napi_status napi_add_env_cleanup_hook(node_api_basic_env env, void (*fun)(void *arg), void *arg);
const HOOK = ['void *', 'void *', 'uintptr_t'];
const hooks = isMainThread
  ? null
  : {
      add: declareOptional('int', 'napi_add_env_cleanup_hook', HOOK),
      remove: declareOptional('int', 'napi_remove_env_cleanup_hook', HOOK),
      close: addressOf('close'),
      env: environment,
    };

const OWNED = Symbol.for('epoll-ffi.owned.1');

/**
 * Fds with a hook. Node aborts when the same hook is added twice, so this set must be exact, and
 * shared by all copies of this package in a thread. A test runner loads a copy for each test file,
 * each with a global object of its own; the port to the parent is the one object that the whole
 * thread shares.
 */
const owned = ownedByThread();

function ownedByThread(): Set<number> {
  const fds = new Set<number>();
  if (parentPort === null) return fds;
  const holder = parentPort as unknown as { [OWNED]?: Set<number> };
  if (holder[OWNED] === undefined) Object.defineProperty(holder, OWNED, { value: fds });
  return holder[OWNED] ?? fds;
}

const STDERR = 2;

/** Whether the number `fd` may become free: not the numbers of stdin, stdout and stderr. */
export function mayClose(fd: number): boolean {
  return fd > STDERR;
}

/**
 * Close `fd`, which the caller has opened or taken over, when this thread ends. Returns `fd`. From
 * now on {@link closeOwned} must close it, or {@link disown} must give it away.
 */
export function own(fd: number): number {
  checkFd(fd);
  if (hooks === null || owned.has(fd) || !mayClose(fd)) return fd;
  owned.add(fd);
  hooks.add(hooks.env, hooks.close, fd);
  return fd;
}

/**
 * Other code will close `fd`, or has. Returns whether it was owned: in a worker alone. Does nothing
 * for an fd that was not.
 */
export function disown(fd: number): boolean {
  checkFd(fd);
  if (hooks === null || !owned.delete(fd)) return false;
  hooks.remove(hooks.env, hooks.close, fd);
  return true;
}

/** As {@link close}, for an fd that may be owned. Stdin, stdout and stderr (0 to 2) stay open: 0. */
export function closeOwned(fd: number): number {
  disown(fd);
  return mayClose(fd) ? close(fd) : 0;
}

/**
 * As {@link closeOwned}, for an fd that only its owner uses, whatever its number. The file behind
 * stdin, stdout or stderr is closed too, and /dev/null replaces it, so that the number does not
 * become free. Returns 0 or -errno; throws an Error of open(2), EMFILE, if /dev/null cannot be
 * opened.
 */
export function closeOrRedirectToNull(fd: number): number {
  if (mayClose(fd)) return closeOwned(fd);
  const nothing = openSync('/dev/null', 'r+');
  const outcome = dup3(nothing, fd, 0);
  close(nothing);
  return Math.min(outcome, 0);
}

/** Returns the result of `work`; `fd`, which no other code has yet, is closed if it throws. */
export function closeOnThrow<T>(fd: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    closeOwned(fd);
    throw error;
  }
}
