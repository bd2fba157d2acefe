/**
 * The connections of an HTTPS server, which can leave without losing an answer. node:https knows the
 * TLS sockets only, and the server below only what TLS runs on, which must not end before it.
 *
 * When the server shuts down: a connection that waits between two requests is closed. Answers under
 * way are finished; those whose head was not sent yet say `Connection: close`. A connection that has
 * asked for nothing yet may make one request. Who took one over by an upgrade is told by the event
 * `shutdown` of the TLS socket.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { FdDuplex } from '../net/fd-duplex';
import type { TcpConnection } from '../net/tcp-connection';

/** What is known of one TLS socket. */
interface Progress {
  hasAsked: boolean;
  /** The answers under way. */
  readonly open: Set<ServerResponse>;
}

/** The connections of one HTTPS server. */
export class SecureConnections {
  readonly #sockets = new Map<Duplex, Progress>();
  #isLeaving = false;

  constructor(https: Server, onSecure: (socket: TLSSocket, connection: TcpConnection) => void) {
    https.on('secureConnection', (socket: TLSSocket) => {
      const connection = connectionUnder(socket);
      if (connection !== null) {
        tellAddresses(socket, connection);
        onSecure(socket, connection);
      }
      this.#sockets.set(socket, { hasAsked: false, open: new Set() });
      socket.once('close', () => this.#sockets.delete(socket));
    });
    // Before all listeners of the user, because it changes what the response will be.
    https.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#onRequest(request.socket, response);
    });
  }

  /** What node:https is to be given for an accepted connection. */
  streamOn(connection: TcpConnection): FdDuplex {
    return new SecureConnection(connection, this);
  }

  /** The server shuts down; told by each connection, of which the first one counts. */
  leave(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    // When what has arrived was deciphered and parsed.
    setImmediate(() => {
      for (const [socket, { hasAsked, open }] of this.#sockets) {
        for (const response of open) makeLast(response);
        if (!socket.emit('shutdown') && hasAsked && open.size === 0) endSoon(socket);
      }
    });
  }

  #onRequest(socket: Duplex, response: ServerResponse): void {
    const progress = this.#sockets.get(socket);
    if (progress === undefined) return;
    progress.hasAsked = true;
    progress.open.add(response);
    if (this.#isLeaving) makeLast(response);
    response.once('close', () => {
      progress.open.delete(response);
      if (this.#isLeaving && progress.open.size === 0) endSoon(socket);
    });
  }
}

/** What TLS runs on. */
class SecureConnection extends FdDuplex {
  readonly #all: SecureConnections;

  constructor(connection: TcpConnection, all: SecureConnections) {
    super(connection);
    this.#all = all;
  }

  /** Our half ends with the TLS above it, and not now. */
  override onShutdown(): void {
    this.#all.leave();
  }
}

/** Have it say that no other request is answered here; too late if its head was sent. */
function makeLast(response: ServerResponse): void {
  if (!response.headersSent) response.shouldKeepAlive = false;
}

/** Close when everything that was written is with the kernel. */
function endSoon(socket: Duplex): void {
  (socket as TLSSocket).destroySoon();
}

/** What Node keeps below a TLS socket that runs on a stream. */
interface Below {
  _handle?: { _parentWrap?: { stream?: unknown } } | null;
}

/**
 * The connection that `socket` runs on. No public interface leads there, so that a version of Node
 * may come on which this is null: then the addresses stay unknown, and nothing else fails.
 */
function connectionUnder(socket: TLSSocket): TcpConnection | null {
  const stream = (socket as unknown as Below)._handle?._parentWrap?.stream;
  return stream instanceof SecureConnection ? stream.connection : null;
}

/** Who is there: Node asks the handle below a TLS socket, and ours, a stream, has no such thing. */
function tellAddresses(socket: TLSSocket, connection: TcpConnection): void {
  const { remoteAddress, remotePort, localAddress: local } = connection;
  if (remoteAddress === undefined || local === null) return;
  const values = {
    remoteAddress,
    remotePort,
    remoteFamily: local.family,
    localAddress: local.address,
    localPort: local.port,
    localFamily: local.family,
  };
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(socket, name, { value, configurable: true, enumerable: true });
  }
}
