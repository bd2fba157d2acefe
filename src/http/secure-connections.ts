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

/** What a `net.Socket` knows of its two ends. */
const ADDRESSES = [
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'localAddress',
  'localPort',
  'localFamily',
] as const;

/** What is known of one TLS socket. */
interface Progress {
  hasAsked: boolean;
  /** The answers under way. */
  readonly open: Set<ServerResponse>;
}

/** The connections of one HTTPS server. */
export class SecureConnections {
  readonly #sockets = new Map<Duplex, Progress>();
  /** What each TLS socket runs on. */
  readonly #below = new WeakMap<Duplex, FdDuplex>();
  /** Whose bytes TLS is taking right now; null between two portions. */
  current: FdDuplex | null = null;
  #isLeaving = false;

  constructor(https: Server) {
    https.on('secureConnection', (socket: TLSSocket) => {
      this.#sockets.set(socket, { hasAsked: false, open: new Set() });
      socket.once('close', () => this.#sockets.delete(socket));
      this.connectionOf(socket);
    });
    // Before all listeners of the user, because it changes what the response will be.
    https.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.connectionOf(socket);
      this.#onRequest(socket, response);
    });
  }

  /** What node:https is to be given for an accepted connection. */
  streamOn(connection: TcpConnection): FdDuplex {
    return new SecureConnection(connection, this);
  }

  /**
   * What `socket` runs on; null if it was not asked for in time, or is closed. Node does not say it.
   * But TLS speaks only when bytes come: what it tells while it takes some is about their connection.
   */
  connectionOf(socket: Duplex): TcpConnection | null {
    const known = this.#below.get(socket);
    const { current } = this;
    if (known !== undefined || current === null) return known?.connection ?? null;
    this.#below.set(socket, current);
    tellAddresses(socket, current);
    return current.connection;
  }

  /** Close those which are between two requests. */
  closeIdle(): void {
    for (const [socket, { hasAsked, open }] of this.#sockets) {
      if (hasAsked && open.size === 0) endSoon(socket);
    }
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

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event !== 'data') return super.emit(event, ...args);
    const before = this.#all.current;
    this.#all.current = this;
    try {
      return super.emit(event, ...args);
    } finally {
      this.#all.current = before;
    }
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

/** Who is there: Node asks the handle below a TLS socket, and ours, a stream, has no such thing. */
function tellAddresses(socket: Duplex, below: FdDuplex): void {
  for (const name of ADDRESSES) {
    Object.defineProperty(socket, name, { get: () => below[name], configurable: true });
  }
}
