/** node:https, and node:http2 where it is asked for, on our connections: TLS by Node, over streams. */
import type { RequestListener } from 'node:http';
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type SecureServerOptions,
} from 'node:http2';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { invalidType } from '../../base/check';
import type { StreamServer } from '../../net/server/stream-server';
import { answerHalfClosed, closeTogether } from './close-together';
import { HTTP_LIMITS, protect, spareSlow } from './default-limits';
import { checkFree, takeServer } from './http-front';
import { followRequests } from './request-rate';
import { SecureConnections } from './secure-connections';

/** Options of {@link serveHttps} for HTTP/2: those of `http2.createSecureServer`. */
export interface SecureHttp2Options extends SecureServerOptions {
  /** Speak `h2` with those clients that offer it (ALPN); the others are served if `allowHTTP1` is true. */
  http2: true;
}

/** A listener of {@link serveHttps} for HTTP/2. */
export type Http2Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/**
 * Answer the HTTPS requests of `server`'s connections, with `key` and `cert` among the options.
 * Returns a `https.Server` that does not listen itself, with which everything is as with that of
 * {@link serveHttp}. Files are copied, as TLS needs their bytes. Throws a TypeError if `server`
 * is none of ours, an Error ERR_SERVER_TAKEN if it is served already, and the errors that
 * `https.createServer` throws for `options`.
 *
 * With `http2: true`, it is the server of `http2.createSecureServer`. A session of HTTP/2 ends with
 * `server`'s `shutdown`, and with `close` of the returned one, by GOAWAY: begun requests are answered.
 * The server's `minReadRate` holds for the handshake and for HTTP/1.1.
 */
export function serveHttps(
  server: StreamServer,
  options: SecureHttp2Options,
  listener?: Http2Listener,
): Http2SecureServer;
/** See above. */
export function serveHttps(
  server: StreamServer,
  options: ServerOptions,
  listener?: RequestListener,
): Server;
/** See above. */
export function serveHttps(
  server: StreamServer,
  options: ServerOptions | SecureHttp2Options,
  listener?: RequestListener | Http2Listener,
): Server | Http2SecureServer {
  checkFree(server, 'serveHttps');
  const https = createSecure(options);
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
  closeTogether(server, https, () => connections.closeIdle());
  return https;
}

function createSecure(given: ServerOptions | SecureHttp2Options): Server | Http2SecureServer {
  const { http2, ...options } = (given ?? {}) as Partial<SecureHttp2Options>;
  if (http2 !== undefined && typeof http2 !== 'boolean') {
    throw invalidType('options.http2', 'a boolean', http2);
  }
  return http2 === true ? createSecureServer(options) : createServer(options);
}
