/**
 * node:http on our connections. Every byte goes through the epoll loop; the heads of requests are
 * parsed by node:http, which knows all the ways they can be wrong.
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import type { StreamServer } from '../net/stream-server';
import { connectionOf, HttpConnections } from './http-connection';
import { followRequests } from './request-rate';
import { answerHalfClosed, checkServer, runWith } from './run-with';

/**
 * Answer the HTTP requests of `server`'s connections: `listener` is told of each. Returns a
 * `http.Server` that does not listen itself: use its events (`request`, `upgrade`, `clientError`) and
 * its time limits. What `options` say of sockets (`noDelay`, `keepAlive`, `highWaterMark`) is for
 * `server` to be told, not here. Throws a TypeError for what is no server of ours.
 *
 * It is closed with `server`, whose `shutdown` lets the responses under way finish, and closes idle
 * connections. Its own `close` closes `server`, and does what node:http does: idle connections are
 * closed, and the others go on until they end.
 */
export function serveHttp(
  server: StreamServer,
  options?: ServerOptions,
  listener?: RequestListener,
): Server;
/** The same without options, as of `http.createServer`. */
export function serveHttp(server: StreamServer, listener: RequestListener): Server;
/** See above. */
export function serveHttp(
  server: StreamServer,
  given: ServerOptions | RequestListener = {},
  last?: RequestListener,
): Server {
  checkServer(server);
  const [options, listener] = typeof given === 'function' ? [{}, given] : [given, last];
  const http = createServer(options);
  answerHalfClosed(http);
  const connections = new HttpConnections(http);
  if (listener !== undefined) http.on('request', listener);
  if (server.minReadRate !== null) followRequests(http, connectionOf);
  server.on('connection', (connection) => {
    http.emit('connection', connections.streamOn(connection));
  });
  runWith(server, http, () => connections.closeIdle());
  return http;
}
