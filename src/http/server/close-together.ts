/** A server of node:http or node:https that does not listen itself, but takes what a server of ours accepts. */
import type { Server } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import type { Server as SecureServer } from 'node:https';
import { invalidType } from '../../base/check';
import { StreamServer } from '../../net/server/stream-server';
import { keepFileFds } from '../file-fds';

/** Throws a TypeError for what is no server of ours. */
export function checkServer(server: unknown): void {
  if (server instanceof StreamServer) return;
  throw invalidType('server', 'a TcpServer or UnixServer', server);
}

/**
 * Have `http` run as long as `server` does: each of the two is closed with the other. `closeIdle` is
 * called when it is `http` that is closed.
 */
export function closeTogether(
  server: StreamServer,
  http: Server | SecureServer | Http2SecureServer,
  closeIdle: () => void,
): void {
  const close = http.close.bind(http);
  let isClosed = false;
  keepFileFds(server);
  server.on('close', () => {
    isClosed = true;
    close();
  });
  http.close = ((callback?: (error?: Error) => void) => {
    // With the error of node:http, as nothing is running.
    if (isClosed) return close(callback);
    if (callback !== undefined) http.once('close', () => callback());
    closeIdle();
    server.close();
    return http;
  }) as typeof close;
  // This starts the interval that enforces headersTimeout and requestTimeout: node:http starts it
  // when it listens, which it does not do here.
  http.emit('listening');
}

/**
 * Have every request that came whole answered, also when its client has ended its half by then, as
 * `nc -N` and `shutdown(SHUT_WR)` do. node:http has the switch, and leaves it off: there the answer of
 * a handler that waits for anything is lost.
 */
export function answerHalfClosed(http: Server | SecureServer | Http2SecureServer): void {
  (http as unknown as { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
}
