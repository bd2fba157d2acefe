/**
 * The limits of servers that speak HTTP or WebSocket, for programs that gave none: strangers can cost
 * them some fds and some memory for a while, and no more. A limit that a program gives holds, also 0, null and
 * Infinity for none. The README has them in one table, beside those of node:http.
 *
 * There is no idle time among them, which would cut answers that are long in coming: between requests
 * node:http's `keepAliveTimeout` is one, before and in a request `headersTimeout` and the read rate.
 * While an answer is made, a client that is silent may wait for it, also with its half ended; whether
 * it is still there is asked of its kernel, by TCP's keep-alive. A client that has closed answers with
 * a reset as soon as its kernel has forgotten the connection (tcp_fin_timeout, 60 s).
 */
import type { Server } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import type { Server as SecureServer } from 'node:https';
import type { StreamConnection } from '../../net/connection/connection';
import type { ReadRate } from '../../net/connection/deadlines';
import type { StreamServer } from '../../net/server/stream-server';
import { TcpServer } from '../../net/server/tcp-server';
import { getSocketOption, setSocketOption } from '../../net/socket/options';
import { RLIMIT_NOFILE } from '../../sys/constants';
import { prlimit, type ResourceLimit } from '../../sys/resource-limit';

/** `minReadRate`: of a client that owes a request, so that one of a drop now and then is cut. */
export const MIN_READ_RATE: Readonly<ReadRate> = { bytesPerSecond: 100, windowMs: 60_000 };

/** The limits that differ by protocol. Where both share a server, the larger numbers hold. */
export interface ProtocolLimits {
  /** `maxConnections`, if there are fds for so many. */
  readonly maxConnections: number;
  /** `writeTimeoutMs`: how long a client may take nothing of what is queued. */
  readonly writeTimeoutMs: number;
}

/** Of HTTP, where each connection may hold a head of 16 KiB that has not come whole. */
export const HTTP_LIMITS: ProtocolLimits = { maxConnections: 16_384, writeTimeoutMs: 60_000 };

/** Of WebSockets, where each takes a tenth of that memory, and a client that lags is of no use. */
export const WEB_SOCKET_LIMITS: ProtocolLimits = { maxConnections: 65_536, writeTimeoutMs: 10_000 };

/** The part of the fds of the process that connections may have: the rest is for files and the program. */
export const CONNECTIONS_OF_FDS = 0.75;

/** TCP's keep-alive: the first question after so many idle seconds, and gone after `count` without an answer. */
export const KEEP_ALIVE = { idleSeconds: 60, intervalSeconds: 10, count: 6 } as const;

/** Have the defaults hold on `server`, from now on. */
export function protect(server: StreamServer, protocol: ProtocolLimits): void {
  const { maxConnections: before, writeTimeoutMs } = server.limits;
  const fds = Math.max(1, Math.floor(fdLimit() * CONNECTIONS_OF_FDS));
  const maxConnections = Math.min(protocol.maxConnections, fds);
  server.limitByDefault({
    maxConnections: before === Infinity ? maxConnections : Math.max(before, maxConnections),
    writeTimeoutMs: Math.max(writeTimeoutMs, protocol.writeTimeoutMs),
    minReadRate: MIN_READ_RATE,
  });
  if (server instanceof TcpServer && server.listening) keepAlive(server.fd);
}

/** A program that allows a request of any length of time (`requestTimeout` 0) expects slow ones. */
export function spareSlow(
  server: StreamServer,
  connection: StreamConnection,
  http: Server | SecureServer | Http2SecureServer,
): void {
  const allowsAny = 'requestTimeout' in http && http.requestTimeout === 0;
  if (!allowsAny || server.isGiven('minReadRate')) return;
  connection.setMinReadRate(null);
}

/** On the listener, of which accepted sockets have it. A setting that the program has switched on stays. */
function keepAlive(fd: number): void {
  if (getSocketOption(fd, 'keepAlive')) return;
  setSocketOption(fd, 'keepAliveIdleSeconds', KEEP_ALIVE.idleSeconds);
  setSocketOption(fd, 'keepAliveIntervalSeconds', KEEP_ALIVE.intervalSeconds);
  setSocketOption(fd, 'keepAliveCount', KEEP_ALIVE.count);
  setSocketOption(fd, 'keepAlive', true);
}

/** How many fds the process may have. */
function fdLimit(): number {
  const limit: ResourceLimit = { soft: Infinity, hard: Infinity };
  return prlimit(0, RLIMIT_NOFILE, null, limit) === 0 ? Number(limit.soft) : Infinity;
}
