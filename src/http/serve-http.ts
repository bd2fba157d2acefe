/**
 * node:http on our connections. Every byte goes through the epoll loop; the heads of requests are
 * parsed by node:http, which knows all the ways they can be wrong.
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import type { StreamServer } from '../net/stream-server';
import { HttpConnections } from './http-connection';
import { followRequests } from './request-rate';

/**
 * Answer the HTTP requests of `server`'s connections. Returns a `http.Server` that does not listen
 * itself: use its events (`request`, `upgrade`, `clientError`) and its time limits. What `options`
 * say of sockets (`noDelay`, `keepAlive`, `highWaterMark`) is for `server` to be told, not here.
 *
 * It is closed with `server`, whose `shutdown` lets the responses under way finish, and closes idle
 * connections. Its own `close` closes `server`, and does what node:http does: idle connections are
 * closed, and the others go on until they end.
 */
export function serveHttp(
  server: StreamServer,
  options: ServerOptions = {},
  listener?: RequestListener,
): Server {
  const http = createServer(options);
  const connections = new HttpConnections(http);
  if (listener !== undefined) http.on('request', listener);
  const follow = server.minReadRate === null ? null : followRequests(http);
  server.on('connection', (connection) => {
    const stream = connections.streamOn(connection);
    follow?.(stream, connection);
    http.emit('connection', stream);
  });
  joinCloses(http, { server, connections });
  // This starts the interval that enforces headersTimeout and requestTimeout: node:http starts it
  // when it listens, which here somebody else does.
  http.emit('listening');
  return http;
}

/** Each of the two is closed with the other. */
function joinCloses(
  http: Server,
  { server, connections }: { server: StreamServer; connections: HttpConnections },
): void {
  const close = http.close.bind(http);
  let isClosed = false;
  server.on('close', () => {
    isClosed = true;
    close();
  });
  http.close = (callback) => {
    // With the error of node:http, as nothing is running.
    if (isClosed) return close(callback);
    if (callback !== undefined) http.once('close', () => callback());
    connections.closeIdle();
    server.close();
    return http;
  };
}
