/**
 * node:http on our connections. Every byte goes through the epoll loop; the heads of requests are
 * parsed by node:http, which knows all the ways they can be wrong.
 */
import type { RequestListener, Server, ServerOptions } from 'node:http';
import type { StreamServer } from '../../net/server/stream-server';
import { frontOf } from './http-front';

/**
 * Answer the HTTP requests of `server`'s connections: `listener` is called for each. Returns a
 * `http.Server` that does not listen itself: use its events (`request`, `upgrade`, `clientError`) and
 * its time limits. The options of sockets (`noDelay`, `keepAlive`, `highWaterMark`) belong to
 * `server`, not here. Throws a TypeError if `server` is none of ours, and an Error
 * ERR_SERVER_TAKEN for one that has a serveHttp or serveHttps already. WebSocketServers may be on it:
 * they take the upgrades to their paths, and this one answers the requests.
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
  const front = frontOf(server, 'serveHttp');
  const [options, listener] = typeof given === 'function' ? [{}, given] : [given, last];
  const http = front.serve(options);
  if (listener !== undefined) http.on('request', listener);
  return http;
}
