/**
 * node:http on our connections. Every byte goes through the epoll loop; the heads of requests are
 * parsed by node:http, which knows all the ways they can be wrong.
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { FdDuplex } from '../net/fd-duplex';
import type { StreamServer } from '../net/stream-server';

/**
 * Answer the HTTP requests of `server`'s connections. Returns a `http.Server` that does not listen
 * itself: use its events (`request`, `upgrade`, `clientError`) and its time limits. It is closed
 * with `server`.
 */
export function serveHttp(
  server: StreamServer,
  options: ServerOptions = {},
  listener?: RequestListener,
): Server {
  const http = createServer(options, listener);
  server.on('connection', (connection) => {
    http.emit('connection', new FdDuplex(connection));
  });
  server.on('close', () => http.close());
  // This starts the interval that enforces headersTimeout and requestTimeout: node:http starts it
  // when it listens, which here somebody else does.
  http.emit('listening');
  return http;
}
