/**
 * The connections of an HTTPS server, which can leave without losing an answer. node:https knows the
 * TLS sockets only, and the server below only what TLS runs on, which must not end before it.
 *
 * When the server shuts down: a connection that waits between two requests is closed. Answers under
 * way are finished; the last one says `Connection: close` if its head was not sent yet. A connection
 * that has asked for nothing yet may make one request. The event `shutdown` of the TLS socket
 * notifies the taker of an upgraded one. A session of HTTP/2 says GOAWAY: what it has begun is finished,
 * and its client knows of the rest that it may be asked again elsewhere.
 */
import type { Http2SecureServer, ServerHttp2Session } from 'node:http2';
import type { Server } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { StreamConnection } from '../../net/connection/connection';
import { IdleConnections, isCollected } from './idle-connections';
import { delayParseErrors } from './parse-errors';
import type { RequestGate } from './request-gate';
import { gateOf, readByData } from './secure-gate';
import { type Emit, interceptEvents, watchRequests } from './server-events';
import { ServerStream } from './server-stream';

/** The properties of a `net.Socket` for its two ends. */
const ADDRESSES = [
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'localAddress',
  'localPort',
  'localFamily',
] as const;

/** The connections of one HTTPS server. */
export class SecureConnections {
  readonly #idle: IdleConnections;
  /** The connection that each open TLS socket runs on. */
  readonly #below = new Map<Duplex, SecureConnection>();
  /**
   * On which connection TLS is at work right now; null for none. Node does not say what a TLS socket
   * runs on. But TLS speaks only when bytes come, or when it was waiting for an answer of ours.
   */
  #current: SecureConnection | null = null;

  constructor(https: Server | Http2SecureServer) {
    this.#idle = new IdleConnections(https, (socket) => this.#below.get(socket) ?? null);
    interceptEvents(https, null, (emit, event, args) => this.#tell(emit, event, args));
    watchRequests(https, {
      onRequest: (request, response) => {
        const below = this.#below.get(request.socket);
        below?.onRequest(response);
        below?.gate?.onRequest(request, response);
      },
      onTakeOver: ({ socket }) => this.#below.get(socket)?.onTakeOver() ?? null,
    });
    delayParseErrors(https, (socket) => this.#below.get(socket)?.gate);
  }

  /** What node:https is to be given for an accepted connection. */
  streamOn(connection: StreamConnection): SecureConnection {
    return new SecureConnection(connection, { all: this, idle: this.#idle });
  }

  /** What `socket` runs on; null if it is none of ours, or closed. */
  connectionOf(socket: Duplex): StreamConnection | null {
    return this.#below.get(socket)?.connection ?? null;
  }

  /** Close those which are idle now. */
  closeIdle(): void {
    this.#idle.close();
    for (const connection of this.#below.values()) connection.closeSession();
  }

  /** Let TLS work on `connection`. */
  during<T>(connection: SecureConnection | null, work: () => T): T {
    const before = this.#current;
    this.#current = connection;
    try {
      return work();
    } finally {
      this.#current = before;
    }
  }

  #tell(emit: Emit, event: string | symbol, args: unknown[]): boolean {
    const current = this.#current;
    if (current === null) return emit(event, ...args);
    if (event === 'secureConnection') this.#onSecure(args[0] as TLSSocket, current);
    if (event === 'session') current.onSession(args[0] as ServerHttp2Session);
    if (event === 'unknownProtocol') current.onTakeOver();
    if (event === 'newSession') {
      // The last step of TLS 1.2, which goes on when the session is stored.
      const [id, data, done] = args as [Buffer, Buffer, () => void];
      return emit(event, id, data, () => this.during(current, done));
    }
    try {
      const isHeard = emit(event, ...args);
      if (event === 'secureConnection' && current.speaksHttp1) readByData(args[0] as TLSSocket);
      return isHeard;
    } catch (error) {
      // Thrown through TLS, it would stop it in the middle of a portion, and the connection for ever.
      current.connection?.loop.uncaught(error);
      return true;
    }
  }

  #onSecure(socket: TLSSocket, below: SecureConnection): void {
    this.#below.set(socket, below);
    socket.once('close', () => {
      this.#below.delete(socket);
      below.gate?.close();
    });
    below.onSecure(socket);
  }
}

/** `handshake`; `http` (1.1) or `http2`, when that is over; `takenOver`: it speaks another protocol. */
type SecureState = 'handshake' | 'http' | 'http2' | 'takenOver';

/** What TLS runs on. */
export class SecureConnection extends ServerStream {
  readonly #all: SecureConnections;
  #state: SecureState = 'handshake';
  /** Null during the handshake. */
  #socket: TLSSocket | null = null;
  /** Null if it does not speak HTTP/2. */
  #session: ServerHttp2Session | null = null;
  /** Whether a stream was opened in the session. */
  #hasStreamed = false;
  /** How far it asks ahead; null during the handshake, and if it speaks HTTP/2. */
  gate: RequestGate | null = null;

  constructor(
    connection: StreamConnection,
    { all, idle }: { all: SecureConnections; idle: IdleConnections },
  ) {
    super(connection, idle);
    this.#all = all;
  }

  /** The handshake is over, and `socket` has what comes now. */
  onSecure(socket: TLSSocket): void {
    this.#state = 'http';
    this.#socket = socket;
    if (socket.alpnProtocol !== 'h2') {
      const [onAhead, onAnswered] = [() => this.sendLittle(), () => this.onAnswered()];
      this.gate = gateOf(socket, { onAhead, onAnswered });
    }
    const { destroy } = socket;
    socket.destroy = (error) => (isCollected(socket) ? socket : destroy.call(socket, error));
    // Node asks the handle below a TLS socket, and ours, a stream, has no such thing.
    for (const name of ADDRESSES) {
      Object.defineProperty(socket, name, { get: () => this[name], configurable: true });
    }
  }

  /** It speaks HTTP/2. */
  onSession(session: ServerHttp2Session): void {
    this.#state = 'http2';
    this.#session = session;
    // As over node's own sockets: a client that ended cannot go on with any stream, and is gone.
    if (this.#socket !== null) this.#socket.allowHalfOpen = false;
    // Its client may send nothing for as long as a stream of it is blocked, and pings at any time.
    this.connection?.setMinReadRate(null);
    session.on('stream', () => {
      this.#hasStreamed = true;
      if (this.isLeaving) this.closeSession();
    });
  }

  /** Say GOAWAY, finish the streams that are open, and close; unless it has asked for nothing yet. */
  closeSession(): void {
    if (this.#hasStreamed && this.#session?.closed === false) this.#session.close();
  }

  /** Whether HTTP/1.1 is spoken: the handshake is over, and nothing else came of it. */
  get speaksHttp1(): boolean {
    return this.#state === 'http';
  }

  /** HTTP is over, by an upgrade; or the client's protocol is none of ours. */
  onTakeOver(): Buffer | null {
    this.#state = 'takenOver';
    return this.gate?.open() ?? null;
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event !== 'data' && event !== 'end') return super.emit(event, ...args);
    try {
      return this.#all.during(this, () => super.emit(event, ...args));
    } catch (error) {
      // A listener of a request or of the TLS socket: what TLS was about to do is not done.
      this.destroy();
      throw error;
    } finally {
      // A handshake that ended half-way is nothing that TLS would end.
      if (event === 'end' && this.#state === 'handshake') this.destroy();
    }
  }

  /** Our half ends with the TLS above it, and not now: when what has arrived was deciphered. */
  override onShutdown(): void {
    this.deliverArrivals();
    this.leaveWhenIdle();
    setImmediate(() => {
      this.closeSession();
      this.#socket?.emit('shutdown');
    });
  }

  protected override finish(): void {
    this.#socket?.destroySoon();
  }

  protected override get hasUnasked(): boolean {
    return this.gate?.isHolding === true;
  }
}
