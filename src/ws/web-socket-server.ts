/**
 * The WebSocket server for many connections.
 *
 * The listener is watched `IN | ONESHOT` and re-armed after each round of accepting. A connection
 * is watched `IN | RDHUP | ET`; node:http parses the head of its request, and from the 101 response
 * on it is a lean {@link WebSocketConnection}. HUP closes and removes it. Every complete message of
 * a segment is handled. Sockets stay non-blocking, so the write deadline holds: a client that never
 * reads is cut, and the others do not notice.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EventEmitter } from 'eventemitter3';
import { z } from 'zod';
import { checkOptions, refuseExtra } from '../base/check';
import { authorizeTimeout, noIpAddress } from '../base/errors';
import { parseOptions } from '../base/options';
import { relayErrors, reportFailure, reportTrouble } from '../base/unheard';
import { WEB_SOCKET_LIMITS } from '../http/server/default-limits';
import { frontOf } from '../http/server/http-front';
import type { Upgrade } from '../http/server/upgrade-routes';
import { pathOf } from '../http/server/upgrade-routes';
import type { EventLoop } from '../loop/event-loop';
import type { ConnectionHandler, StreamConnection } from '../net/connection/connection';
import type { DroppedConnection } from '../net/server/drop';
import {
  type ShutdownOptions,
  type ShutdownResult,
  shutdownOptionFields,
} from '../net/server/shutdown';
import type { StreamServer } from '../net/server/stream-server';
import { TcpServer } from '../net/server/tcp-server';
import type { SocketAddress } from '../sys/address';
import { encodeFrame } from './frame-encoder';
import {
  acceptResponse,
  checkUpgrade,
  type HandshakeRefusal,
  offeredProtocols,
  refusalResponse,
} from './handshake';
import { Opening } from './opening';
import { CLOSE_GOING_AWAY, checkClose } from './protocol';
import { opcodeOf } from './send-arguments';
import { FAILED, isThenable, refusalOf, TOO_LATE } from './verdict';
import { WebSocketConnection, type WebSocketSettings } from './web-socket';
import {
  openServer,
  type WebSocketServerOptions,
  type WebSocketServerSettings,
} from './web-socket-server-options';

/** Events of {@link WebSocketServer}. */
export interface WebSocketServerEvents {
  /** A WebSocket is open. Attach listeners now: its messages come after this. */
  connection: [socket: WebSocketConnection, request: IncomingMessage];
  /**
   * A plain HTTP request, to answer as with node:http. Without a listener it gets a 426. Not
   * emitted if a `serveHttp` shares the server, which answers it.
   */
  request: [request: IncomingMessage, response: ServerResponse];
  /**
   * A connection could not be accepted (EMFILE), or `authorize` gave no verdict, and the server goes
   * on: without a listener here or at {@link WebSocketServer.server} a warning. Or `authorize` threw,
   * or the listener failed and the server closes: without a listener an uncaught exception.
   */
  error: [error: Error];
  /** A connection beyond a limit, or beyond the last fd, was accepted and closed at once. */
  drop: [dropped: DroppedConnection];
  /** Closed, and the last connection is gone. */
  close: [];
}

/** Options of {@link WebSocketServer.broadcast}. */
export interface BroadcastOptions {
  /** Send a binary message, or a text. As `data` is if not given: bytes are binary, strings text. */
  binary?: boolean;
  /** Skip this one. */
  except?: WebSocketConnection;
}

/** Options of {@link WebSocketServer.shutdown}. */
export interface WebSocketShutdownOptions extends ShutdownOptions {
  /** The close code for the clients; 1001, "going away", if not given. */
  code?: number;
  /** The reason, in up to 123 bytes; empty if not given. */
  reason?: string;
}

type Mutable<T> = { -readonly [N in keyof T]: T[N] };

const shutdownSchema = z.strictObject({
  ...shutdownOptionFields,
  code: z.number().default(CLOSE_GOING_AWAY),
  reason: z.string().default(''),
});

/**
 * Serves WebSockets, and plain HTTP beside them, at one address. An emitter of eventemitter3:
 * `instanceof` the EventEmitter of node:events is false.
 */
export class WebSocketServer extends EventEmitter<WebSocketServerEvents> {
  /** The server under this one: its connections, its limits, and its fd. */
  readonly server: StreamServer;
  /** Shared by all sockets. A shutdown changes their closing time, code and reason. */
  readonly #settings: WebSocketServerSettings & Mutable<WebSocketSettings>;
  readonly #clients = new Set<WebSocketConnection>();

  /**
   * Listen, or use `options.server`. Throws as {@link TcpServer} does, and an Error
   * ERR_SERVER_TAKEN for a server whose connections have another owner, or that has a
   * WebSocketServer for this path.
   */
  constructor(options: WebSocketServerOptions, noCallback?: never) {
    super();
    refuseExtra('new WebSocketServer', noCallback, 'listen to "connection"; it listens already');
    const { settings, server } = openServer(options);
    this.#settings = { ...settings, goingAway: { code: CLOSE_GOING_AWAY, reason: '' } };
    this.server = server;
    frontOf(server, 'WebSocketServer').share(this, {
      headersTimeout: settings.handshakeTimeoutMs,
      connectionsCheckingInterval: Math.min(settings.handshakeTimeoutMs, CHECK_MS),
    });
    relayErrors(server, this);
    server.on('drop', (dropped) => this.emit('drop', dropped));
    server.on('close', () => this.emit('close'));
  }

  /** The given path; undefined for every path that no other WebSocketServer has. */
  get path(): string | undefined {
    return this.#settings.path;
  }

  /**
   * The address at which the server listens. Throws an Error if that is not an IP address: see
   * {@link server}.
   */
  get address(): SocketAddress {
    if (this.server instanceof TcpServer) return this.server.address;
    throw noIpAddress();
  }

  /** The port, also if the option was 0. Throws as {@link address}. */
  get port(): number {
    return this.address.port;
  }

  /** The loop that does the work. */
  get loop(): EventLoop {
    return this.server.loop;
  }

  /** The sockets that are not closed. */
  get clients(): ReadonlySet<WebSocketConnection> {
    return this.#clients;
  }

  /** Send one message to every client; it is encoded once. */
  broadcast(data: string | Uint8Array, options: BroadcastOptions = {}): void {
    checkOptions('WebSocketServer.broadcast', options, ['binary', 'except']);
    const { binary, except } = options;
    const opcode = opcodeOf(data, binary);
    const frame = encodeFrame(opcode, typeof data === 'string' ? Buffer.from(data) : data);
    for (const client of this.#clients) {
      if (client !== except) client.sendEncoded(frame);
    }
  }

  /**
   * Stop listening and close every client with `code`. `close` is emitted when the last connection
   * has gone, after `closeTimeoutMs` at the latest.
   */
  close(code: number = CLOSE_GOING_AWAY, reason = '', noCallback?: never): void {
    refuseExtra('close', typeof code === 'function' ? code : noCallback, 'listen to "close"');
    checkClose(code, reason);
    if (!this.server.listening) return;
    this.#settings.goingAway = { code, reason };
    for (const client of this.#clients) client.close(code, reason);
    void this.server.shutdown({ deadlineMs: this.#settings.closeTimeoutMs });
  }

  /**
   * As {@link close}, with a deadline and a promise, and after the bytes that have arrived were
   * handled; see {@link StreamServer.shutdown}. Clients have until the deadline to answer the close
   * frame, whatever `closeTimeoutMs` is. HTTP responses under way are finished. Rejects with a
   * RangeError for a code or reason that a close frame cannot carry.
   */
  async shutdown(options: WebSocketShutdownOptions = {}): Promise<ShutdownResult> {
    const { code, reason, ...limits } = parseOptions('shutdown', shutdownSchema, options);
    checkClose(code, reason);
    this.#settings.goingAway = { code, reason };
    // Longer than the deadline, so that the deadline cuts, and counts.
    this.#settings.closeTimeoutMs = limits.deadlineMs + CHECK_MS;
    return this.server.shutdown(limits);
  }

  /** Stop listening and cut every connection. */
  destroy(): void {
    this.server.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** Hold the process open while listening; the default. */
  ref(): void {
    this.server.ref();
  }

  /** Do not hold the process open. Connections still do. */
  unref(): void {
    this.server.unref();
  }

  /** For a client. @internal */
  onSocketClose(socket: WebSocketConnection): void {
    this.#clients.delete(socket);
  }

  /** For the HTTP server. @internal */
  onRequest(request: IncomingMessage, response: ServerResponse): boolean {
    return this.emit('request', request, response);
  }

  /** For the HTTP server, which is through with this connection. @internal */
  onUpgrade({ request, stream, head }: Upgrade): void {
    // An earlier write may still fail, and no other listener is left.
    stream.on('error', () => {});
    const released = stream.release();
    if (released === null) return;
    const { connection, rest } = released;
    const candidate = { request, connection, early: Buffer.concat([head, rest]) };
    const refusal = this.#checkPath(request) ?? checkUpgrade(request);
    if (refusal !== null) return this.#refuse(connection, refusal);
    const { authorize } = this.#settings;
    if (authorize === undefined) return this.#accept(candidate);
    try {
      const verdict: unknown = authorize(request);
      if (isThenable(verdict)) this.#awaitVerdict(candidate, verdict);
      else this.#decide(candidate, verdict);
    } catch (error) {
      this.#fail(connection, error);
    }
  }

  #checkPath({ url = '' }: IncomingMessage): HandshakeRefusal | null {
    const { path } = this.#settings;
    if (path === undefined || pathOf(url) === path) return null;
    return { status: 404, reason: 'there is no WebSocket at this path' };
  }

  #awaitVerdict({ request, connection, early }: Candidate, verdict: PromiseLike<unknown>): void {
    const timeoutMs = this.#settings.handshakeTimeoutMs;
    const onLate = (): void => {
      this.#refuse(connection, TOO_LATE);
      reportTrouble(this, authorizeTimeout(timeoutMs));
    };
    const opening = new Opening(connection, { early, timeoutMs, onLate });
    const settle = (then: (early: Buffer) => void): void => {
      const all = opening.settle();
      if (all !== null) then(all);
    };
    // By resolve, because a thenable may call back twice, or throw.
    Promise.resolve(verdict).then(
      (late) => settle((all) => this.#decide({ request, connection, early: all }, late)),
      (error) => settle(() => this.#fail(connection, error)),
    );
  }

  #decide(candidate: Candidate, verdict: unknown): void {
    let refusal: HandshakeRefusal | null;
    try {
      refusal = refusalOf(verdict);
    } catch (error) {
      this.#refuse(candidate.connection, FAILED);
      reportTrouble(this, error as Error);
      return;
    }
    if (refusal === null) this.#accept(candidate);
    else this.#refuse(candidate.connection, refusal);
  }

  #accept({ request, connection, early }: Candidate): void {
    if (connection.closed) return;
    const protocol = this.#chooseProtocol(request);
    // If HTTP shares the server, its longer one would hold.
    if (!this.server.isGiven('writeTimeoutMs')) {
      connection.setWriteTimeout(WEB_SOCKET_LIMITS.writeTimeoutMs);
    }
    connection.write(acceptResponse(request, protocol));
    const socket = new WebSocketConnection(connection, {
      settings: this.#settings,
      owner: this,
      protocol,
    });
    this.#clients.add(socket);
    // A listener that throws must not cost the socket the bytes that arrived with the request.
    this.#emitSafely(() => this.emit('connection', socket, request));
    if (!this.server.listening) socket.onShutdown();
    socket.receive(early);
  }

  /** Answer, and close when the client has read it; what it still sends is of no use. */
  #refuse(connection: StreamConnection, refusal: HandshakeRefusal): void {
    connection.setHandler(refused);
    connection.resume();
    connection.write(refusalResponse(refusal));
    connection.end();
    connection.setLifetime(this.#settings.closeTimeoutMs);
  }

  /** `authorize` threw, which is the program's mistake: both sides learn of it. */
  #fail(connection: StreamConnection, error: unknown): void {
    this.#refuse(connection, FAILED);
    reportFailure(this, error as Error);
  }

  #emitSafely(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      this.loop.uncaught(error);
    }
  }

  #chooseProtocol(request: IncomingMessage): string | null {
    const offered = offeredProtocols(request.headers['sec-websocket-protocol']);
    return this.#settings.protocols.find((name) => offered.includes(name)) ?? null;
  }
}

/** A request that may become a WebSocket. */
interface Candidate {
  request: IncomingMessage;
  connection: StreamConnection;
  /** Bytes that came behind the request. */
  early: Buffer;
}

/** The interval at which node:http looks for requests that take too long. */
const CHECK_MS = 1_000;

/** Handles connections of clients that were refused. */
const refused: ConnectionHandler = { onData() {} };
