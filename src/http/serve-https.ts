/** node:https on our connections: TLS by Node, over streams. */
import type { RequestListener } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { StreamServer } from '../net/stream-server';
import { invalidType } from '../sys/check';
import { followRequests } from './request-rate';
import { SecureConnections } from './secure-connections';

/**
 * Answer the HTTPS requests of `server`'s connections, with `key` and `cert` among the options.
 * Returns a `https.Server` that does not listen itself, as {@link serveHttp} does: it is closed with
 * `server`, whose `shutdown` lets the responses under way finish.
 * Files are copied, as TLS needs their bytes. Throws a TypeError for what is no server of ours, and
 * what `https.createServer` throws for `options`.
 */
export function serveHttps(
  server: StreamServer,
  options: ServerOptions,
  listener?: RequestListener,
): Server {
  if (!(server instanceof StreamServer)) {
    throw invalidType('server', 'a TcpServer or UnixServer', server);
  }
  const https = createServer(options);
  const follow = server.minReadRate === null ? null : followRequests(https);
  const connections = new SecureConnections(https, (socket, connection) => {
    follow?.(socket, connection);
  });
  if (listener !== undefined) https.on('request', listener);
  server.on('connection', (connection) => {
    https.emit('connection', connections.streamOn(connection));
  });
  server.on('close', () => https.close());
  // As in serveHttp: node:http starts the interval of its time limits when it listens.
  https.emit('listening');
  return https;
}
