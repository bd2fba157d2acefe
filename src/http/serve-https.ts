/** node:https on our connections: TLS by Node, over streams. */
import type { RequestListener } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { StreamServer } from '../net/stream-server';
import { HTTP_LIMITS, protect, spareSlow } from './default-limits';
import { checkFree, takeServer } from './http-front';
import { followRequests } from './request-rate';
import { answerHalfClosed, runWith } from './run-with';
import { SecureConnections } from './secure-connections';

/**
 * Answer the HTTPS requests of `server`'s connections, with `key` and `cert` among the options.
 * Returns a `https.Server` that does not listen itself, with which everything is as with that of
 * {@link serveHttp}. Files are copied, as TLS needs their bytes. Throws a TypeError for what is no
 * server of ours, an Error ERR_SERVER_TAKEN for one that anybody else serves, and what
 * `https.createServer` throws for `options`.
 */
export function serveHttps(
  server: StreamServer,
  options: ServerOptions,
  listener?: RequestListener,
): Server {
  checkFree(server, 'serveHttps');
  const https = createServer(options);
  takeServer(server, 'serveHttps');
  answerHalfClosed(https);
  const connections = new SecureConnections(https);
  if (listener !== undefined) https.on('request', listener);
  followRequests(https, (socket) => connections.connectionOf(socket));
  protect(server, HTTP_LIMITS);
  server.on('connection', (connection) => {
    spareSlow(server, connection, https);
    https.emit('connection', connections.streamOn(connection));
  });
  runWith(server, https, () => connections.closeIdle());
  return https;
}
