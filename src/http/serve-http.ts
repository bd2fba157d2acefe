/**
 * node:http on our connections. Every byte goes through the epoll loop; the heads of requests are
 * parsed by node:http, which knows all the ways they can be wrong.
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { StreamServer } from '../net/stream-server';
import { invalidType } from '../sys/check';
import { HttpConnections } from './http-connection';
import { followRequests } from './request-rate';

/**
 * Answer the HTTP requests of `server`'s connections: `listener` is told of each. Returns a
 * `http.Server` that does not listen itself: use its events (`request`, `upgrade`, `clientError`) and
 * its time limits. It is closed with `server`, whose `shutdown` lets the responses under way finish,
 * and closes idle connections. Throws a TypeError for what is no server of ours.
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
  if (!(server instanceof StreamServer)) {
    throw invalidType('server', 'a TcpServer or UnixServer', server);
  }
  const [options, listener] = typeof given === 'function' ? [{}, given] : [given, last];
  const http = createServer(options);
  const connections = new HttpConnections(http);
  if (listener !== undefined) http.on('request', listener);
  const follow = server.minReadRate === null ? null : followRequests(http);
  server.on('connection', (connection) => {
    const stream = connections.streamOn(connection);
    follow?.(stream, connection);
    http.emit('connection', stream);
  });
  server.on('close', () => http.close());
  // This starts the interval that enforces headersTimeout and requestTimeout: node:http starts it
  // when it listens, which here somebody else does.
  http.emit('listening');
  return http;
}
