/**
 * The epoll set of Node's own loop: libuv's, one for each JavaScript thread.
 *
 * An fd of ours can be a member of it, so that Node's loop comes round when that fd is ready. libuv
 * takes the low half of an event's data for the number of an fd that it watches itself, and looks at
 * that fd; so the data must be such a number, of an fd that may be looked at in vain. No handle of
 * libuv and no function of ours is involved: nothing has to be closed, and nothing calls JavaScript,
 * when a thread ends.
 */
import { declareOptional, environment, result } from './libc';

const native = {
  // napi_status napi_get_uv_event_loop(node_api_basic_env env, struct uv_loop_s **loop);
  napi_get_uv_event_loop: declareOptional('int', 'napi_get_uv_event_loop', ['void *', 'void *']),
  uv_backend_fd: declareOptional('int', 'uv_backend_fd', ['uintptr_t']),
};

/**
 * `int uv_backend_fd(const uv_loop_t *loop)`, of this thread's loop.
 *
 * Returns the fd, which is libuv's and stays open as long as the thread, or -ENOSYS where the runtime
 * does not lend these functions. See the documentation of libuv.
 */
export function uvBackendFd(): number {
  const loop = new BigUint64Array(1);
  const bytes = new Uint8Array(loop.buffer);
  const status = native.napi_get_uv_event_loop(environment, bytes);
  if (status !== 0) return result(-1);
  return result(native.uv_backend_fd(loop[0] as bigint));
}
