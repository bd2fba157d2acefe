/**
 * The connections of an HTTPS server, which can leave without losing an answer. node:https knows the
 * TLS sockets only, and the server below only what TLS runs on, which must not end before it.
 *
 * When the server shuts down: a connection that waits between two requests is closed. Answers under
 * way are finished; the last one says `Connection: close` if its head was not sent yet. A connection
 * that has asked for nothing yet may make one request. Who took one over by an upgrade is told by the
 * event `shutdown` of the TLS socket.
 */
import type { Server } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { TcpConnection } from '../net/tcp-connection';
import { delayParseErrors } from './parse-errors';
import type { RequestGate } from './request-gate';
import { gateOf, readByData } from './secure-gate';
import { type Emit, interceptEvents, watchRequests } from './server-events';
import { ServerStream } from './server-stream';

/** What a `net.Socket` knows of its two ends. */
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
  /** What each open TLS socket runs on. */
  readonly #below = new Map<Duplex, SecureConnection>();
  /**
   * On which connection TLS is at work right now; null for none. Node does not say what a TLS socket
   * runs on. But TLS speaks only when bytes come, or when it was waiting for an answer of ours.
   */
  #current: SecureConnection | null = null;

  constructor(https: Server) {
    interceptEvents(https, (emit, event, args) => this.#tell(emit, event, args));
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
  streamOn(connection: TcpConnection): SecureConnection {
    return new SecureConnection(connection, this);
  }

  /** What `socket` runs on; null if it is none of ours, or closed. */
  connectionOf(socket: Duplex): TcpConnection | null {
    return this.#below.get(socket)?.connection ?? null;
  }

  /** Close those which are between two requests. */
  closeIdle(): void {
    for (const connection of this.#below.values()) connection.leave();
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
    if (event === 'newSession') {
      // The last step of TLS 1.2, which goes on when the session is stored.
      const [id, data, done] = args as [Buffer, Buffer, () => void];
      return emit(event, id, data, () => this.during(current, done));
    }
    try {
      const isHeard = emit(event, ...args);
      if (event === 'secureConnection') readByData(args[0] as TLSSocket);
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

/** `handshake`; `http`, when that is over; `takenOver`: it speaks another protocol. */
type SecureState = 'handshake' | 'http' | 'takenOver';

/** What TLS runs on. */
export class SecureConnection extends ServerStream {
  readonly #all: SecureConnections;
  #state: SecureState = 'handshake';
  /** Null during the handshake. */
  #socket: TLSSocket | null = null;
  /** How far it asks ahead; null during the handshake, and if it speaks HTTP/2. */
  gate: RequestGate | null = null;

  constructor(connection: TcpConnection, all: SecureConnections) {
    super(connection);
    this.#all = all;
  }

  /** The handshake is over, and `socket` has what comes now. */
  onSecure(socket: TLSSocket): void {
    this.#state = 'http';
    this.#socket = socket;
    if (socket.alpnProtocol !== 'h2') this.gate = gateOf(socket, () => this.sendLittle());
    // Node asks the handle below a TLS socket, and ours, a stream, has no such thing.
    for (const name of ADDRESSES) {
      Object.defineProperty(socket, name, { get: () => this[name], configurable: true });
    }
  }

  /** HTTP is over, by an upgrade. */
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
    this.finishAnswers();
    setImmediate(() => {
      if (!this.#socket?.emit('shutdown')) this.leave();
    });
  }

  override leave(): void {
    const isIdle = this.hasAsked && !this.isAnswering && !this.hasUnasked;
    if (this.#state === 'http' && isIdle) this.#socket?.destroySoon();
  }

  protected override get hasUnasked(): boolean {
    return this.gate?.isHolding === true;
  }

  protected override onLastSent(): void {
    setImmediate(() => this.leave());
  }
}
