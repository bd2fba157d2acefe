/**
 * The epoll set of Node's own loop: libuv's, one for each JavaScript thread.
 *
 * An fd of ours can be a member of it, so that Node's loop turns when that fd is ready. libuv takes
 * the low half of an event's data for the number of an fd that it watches itself, and looks at that
 * fd. So the data must be such a number, of an fd for which a needless look does no harm. No handle
 * of libuv and no function of ours is involved: when a thread ends, nothing needs closing, and
 * nothing calls JavaScript.
 *
 * libuv promises nothing about that data. All of 1.x up to the version below do it so; for others
 * `wordOf` finds out without a risk, from the kernel's view of libuv's own entries.
 */
import { readFileSync } from 'node:fs';
import { declareOptional, environment, result } from './libc';

/** The minor of the youngest libuv 1.x that is known to hold the fd in its events (Node 26). */
const YOUNGEST_KNOWN = 52;

const native = {
  // napi_status napi_get_uv_event_loop(node_api_basic_env env, struct uv_loop_s **loop);
  napi_get_uv_event_loop: declareOptional('int', 'napi_get_uv_event_loop', ['void *', 'void *']),
  uv_backend_fd: declareOptional('int', 'uv_backend_fd', ['uintptr_t']),
};

/**
 * `int uv_backend_fd(const uv_loop_t *loop)`, of this thread's loop.
 *
 * Returns the fd, which belongs to libuv and stays open as long as the thread, or -ENOSYS if the
 * runtime does not offer these functions. See the documentation of libuv.
 */
export function uvBackendFd(): number {
  const loop = new BigUint64Array(1);
  const bytes = new Uint8Array(loop.buffer);
  const status = native.napi_get_uv_event_loop(environment, bytes);
  if (status !== 0) return result(-1);
  return result(native.uv_backend_fd(loop[0] as bigint));
}

/**
 * The low half of the data of libuv's own entry for `fd` in its set, from proc_pid_fdinfo(5).
 *
 * Returns null while there is no such entry: libuv makes it at its next poll. If the kernel does
 * not say (no /proc, a sandbox), the result is `fd` for a known libuv, and otherwise NaN. Throws
 * EMFILE or ENFILE if there are no fds left.
 */
export function wordOf(backendFd: number, fd: number): number | null {
  let text = '';
  try {
    text = readFileSync(`/proc/self/fdinfo/${backendFd}`, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE') throw error;
  }
  if (!/^tfd:/m.test(text)) return isKnown(process.versions.uv) ? fd : Number.NaN;
  const entry = new RegExp(`^tfd: *${fd} .* data: *([0-9a-f]+)`, 'm').exec(text);
  return entry === null ? null : Number.parseInt((entry[1] as string).slice(-8), 16);
}

function isKnown(version = ''): boolean {
  const [major, minor] = version.split('.').map(Number);
  return major === 1 && minor !== undefined && minor <= YOUNGEST_KNOWN;
}
