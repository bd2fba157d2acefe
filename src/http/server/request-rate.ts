/**
 * The part of HTTP that the read-rate deadline has to know: a client owes bytes from the opening on, until
 * its request has come as a whole. While it is answered, and on a connection that is kept alive
 * after that, the client owes nothing, until the first byte of its next request; but the beginning of
 * one that came in one segment with the end of another cannot be made out here, and is left to the
 * `headersTimeout` of node:http. A connection that is upgraded is HTTP's no more, and has no minimum
 * from then on.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import type { Server as SecureServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { StreamConnection } from '../../net/connection/connection';
import { watchRequests } from './server-events';

/** Follow the requests of `http`; `connectionOf` returns the connection below a socket. */
export function followRequests(
  http: Server | SecureServer | Http2SecureServer,
  connectionOf: (socket: Duplex) => StreamConnection | null,
): void {
  watchRequests(http, {
    onRequest(request) {
      const connection = connectionOf(request.socket);
      if (connection === null) return;
      if (!hasBody(request)) connection.expectBytes(false);
      else onWhole(request, () => connection.expectBytes(false));
    },
    onTakeOver({ socket }) {
      connectionOf(socket)?.setMinReadRate(null);
      return null;
    },
  });
}

/** Call `callback` when `request` has come whole, also if it is not read: then there is no `end`. */
function onWhole(request: IncomingMessage, callback: () => void): void {
  const { push } = request;
  request.push = (chunk, encoding) => {
    if (chunk === null) callback();
    return push.call(request, chunk, encoding);
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
