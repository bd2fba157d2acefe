/**
 * Connecting to a server: the client's way to a {@link StreamConnection}.
 *
 * It returns a promise of the connection, not a connection that is still connecting. So there is no
 * state in which writes wait and options do nothing, an error of connecting cannot stay unheard,
 * and accepted connections pay nothing for it. The connection is made in the promise's own turn, so
 * listeners attached right behind the `await` miss nothing.
 */

import { refuseExtra } from '../../base/check';
import { defaultLoop } from '../../loop/default-loop';
import * as constants from '../../sys/constants';
import { errno, errnoText, unwrap } from '../../sys/errno';
import { closeOnThrow, closeOwned, own } from '../../sys/ownership';
import { bind, setsockopt, socket } from '../../sys/socket';
import { StreamConnection } from '../connection/connection';
import { connectionSettings } from '../connection/options';
import {
  type Endpoint,
  encodeEndpoint,
  errorAt,
  FAMILIES,
  familyOf,
  formatEndpoint,
} from '../socket/endpoint';
import { resetOnClose } from '../socket/reset-on-close';
import { finishConnect } from './attempt';
import { beginConnect, type ConnectProgress, fullBacklog, waitForBacklog } from './backlog';
import { type ConnectOptions, type ConnectPlan, connectPlan } from './options';
import { isSelfConnected } from './self-connect';

const { ECONNREFUSED } = errno;
const { IPPROTO_IP, IPPROTO_TCP, IP_BIND_ADDRESS_NO_PORT, SOL_SOCKET, SO_REUSEADDR } = constants;
const { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, TCP_NODELAY } = constants;

/**
 * Connect to an IP address and port, or to the path or abstract name of a unix socket.
 *
 * Returns a promise of the connection. Attach listeners as soon as it resolves, before any other
 * `await` (such as the rest of a `Promise.all`): its data comes with the next turn. Or give a
 * `handler`. The attempt holds the process open.
 *
 * Rejects with a TypeError that names a wrong option; a RangeError for a host that is not an IP
 * address, and a path that is too long; the reason of `signal` if it is aborted; and a {@link
 * SystemError} of `connect` with the server's address, whatever step failed: ECONNREFUSED (also if
 * the socket met itself, which TCP allows at a port without a listener), EHOSTUNREACH, ENETUNREACH,
 * ETIMEDOUT (by `connectTimeoutMs` or by the kernel), EADDRINUSE and EADDRNOTAVAIL (our own
 * address, or no port is free), EMFILE; of a path ENOENT, EACCES, and EAGAIN if the server's
 * backlog is full and there is no `connectTimeoutMs`, within which it is tried again.
 *
 * Does not block. See connect(2).
 */
export async function connect(
  options: ConnectOptions,
  noCallback?: never,
): Promise<StreamConnection> {
  refuseExtra('connect', noCallback, 'it returns a promise');
  const plan = connectPlan(options);
  plan.signal?.throwIfAborted();
  const loop = plan.loop ?? defaultLoop();
  const settings = connectionSettings<StreamConnection>(plan, { loop });
  const { fd, progress } = openConnecting(plan);
  const { remote, connectTimeoutMs, signal } = plan;
  const setup = { loop, remote, connectTimeoutMs, signal };
  if (progress === 'pending') await finishConnect(fd, setup);
  if (progress === 'full') await waitForBacklog(fd, setup);
  closeOnThrow(fd, () => {
    if ('port' in remote && isSelfConnected(fd, remote.port)) refuseSelf(fd, remote);
  });
  return new StreamConnection(fd, settings);
}

/** A non-blocking socket that is connected or connecting; or nothing is left behind. */
function openConnecting(plan: ConnectPlan): { fd: number; progress: ConnectProgress } {
  const { remote, local } = plan;
  const family = familyOf(remote);
  const remoteBytes = encodeEndpoint(remote);
  const localBytes = local === null ? null : encodeEndpoint(local);
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const made = socket(FAMILIES[family], type, 0);
  if (made < 0) throw errorAt(made, 'connect', remote);
  const fd = own(made);
  try {
    if (plan.noDelay) setOption(fd, IPPROTO_TCP, TCP_NODELAY);
    if (local !== null) bindTo(fd, { local, localBytes: localBytes as Uint8Array, remote });
    const progress = beginConnect(fd, remote, remoteBytes);
    if (progress === 'full' && plan.connectTimeoutMs === 0) throw fullBacklog(remote);
    return { fd, progress };
  } catch (error) {
    closeOwned(fd);
    throw error;
  }
}

/** Refuse a connection to this very socket: no server listens at `remote`. */
function refuseSelf(fd: number, remote: Endpoint): void {
  // It would stand in the server's way: see self-connect.ts.
  resetOnClose(fd);
  const reason = `no server listens at ${formatEndpoint(remote)}, the socket met itself`;
  throw errorAt(ECONNREFUSED, 'connect', remote, reason);
}

function bindTo(
  fd: number,
  { local, localBytes, remote }: { local: Endpoint; localBytes: Uint8Array; remote: Endpoint },
): void {
  // With a port: also if an earlier connection from it is in TIME_WAIT. Without one: let connect(2)
  // choose it, which then need only differ among the connections to the same server; see ip(7).
  if ('port' in local && local.port !== 0) setOption(fd, SOL_SOCKET, SO_REUSEADDR);
  else setOption(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
  const outcome = bind(fd, localBytes);
  if (outcome >= 0) return;
  const reason = `${errnoText(outcome)}: cannot connect from ${formatEndpoint(local)}`;
  throw errorAt(outcome, 'connect', remote, reason);
}

function setOption(fd: number, level: number, name: number): void {
  unwrap(setsockopt(fd, level, name, Int32Array.of(1)), 'setsockopt', { fd });
}
