/**
 * The WebSocket server of high concurrency.
 *
 * The listener is watched `IN | ONESHOT` and re-armed after each round of accepting. A connection is
 * watched `IN | RDHUP | ET`; the head of its request is parsed by node:http, and from the 101
 * response on it is a lean {@link WebSocketConnection}. HUP closes and removes it. Every complete
 * message of a segment is handled. Sockets stay non-blocking, so that the write deadline holds: a
 * client that never reads is cut, and nobody else notices.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EventEmitter } from 'eventemitter3';
import { z } from 'zod';
import { serveHttp } from '../http/serve-http';
import type { EventLoop } from '../loop/event-loop';
import { parseOptions } from '../loop/options';
import type { DroppedConnection } from '../net/dropped-connection';
import type { FdDuplex } from '../net/fd-duplex';
import {
  type ShutdownOptions,
  type ShutdownResult,
  shutdownOptionFields,
} from '../net/server-shutdown';
import type { StreamServer } from '../net/stream-server';
import { TcpServer } from '../net/tcp-server';
import type { SocketAddress } from '../sys/address';
import { refuseExtra } from '../sys/check';
import { encodeFrame } from './frame-encoder';
import {
  acceptResponse,
  checkUpgrade,
  type HandshakeRefusal,
  offeredProtocols,
  refusalResponse,
} from './handshake';
import { CLOSE_GOING_AWAY, checkClose, OPCODE_BINARY, OPCODE_TEXT } from './protocol';
import { WebSocketConnection, type WebSocketOwner, type WebSocketSettings } from './web-socket';
import {
  type Authorization,
  openServer,
  type WebSocketServerOptions,
  type WebSocketServerSettings,
} from './web-socket-server-options';

/** Events of {@link WebSocketServer}. */
export interface WebSocketServerEvents {
  /** A WebSocket is open. Attach listeners now: its messages come after this. */
  connection: [socket: WebSocketConnection, request: IncomingMessage];
  /** A plain HTTP request, to be answered as with node:http. Without a listener it gets a 426. */
  request: [request: IncomingMessage, response: ServerResponse];
  /** A connection could not be accepted (EMFILE); the server goes on. Need not be listened to. */
  error: [error: Error];
  /** A connection beyond a limit, or beyond the last fd, was accepted and closed at once. */
  drop: [dropped: DroppedConnection];
  /** Closed, and the last connection is gone. */
  close: [];
}

/** Options of {@link WebSocketServer.broadcast}. */
export interface BroadcastOptions {
  /** Send a binary message; the default for bytes. Strings are always text. */
  binary?: boolean;
  /** Leave this one out. */
  except?: WebSocketConnection;
}

/** Options of {@link WebSocketServer.shutdown}. */
export interface WebSocketShutdownOptions extends ShutdownOptions {
  /** What the clients are told; 1001, "going away", if not given. */
  code?: number;
  /** Why, in up to 123 bytes; nothing if not given. */
  reason?: string;
}

type Mutable<T> = { -readonly [N in keyof T]: T[N] };

const shutdownSchema = z.strictObject({
  ...shutdownOptionFields,
  code: z.number().default(CLOSE_GOING_AWAY),
  reason: z.string().default(''),
});

/** Serves WebSockets, and plain HTTP beside them, at one address. */
export class WebSocketServer extends EventEmitter<WebSocketServerEvents> implements WebSocketOwner {
  /** The server under this one: its connections, its limits, and its fd. */
  readonly server: StreamServer;
  /** Shared by all sockets. A shutdown changes how long they have to close, and what they say. */
  readonly #settings: WebSocketServerSettings & Mutable<WebSocketSettings>;
  readonly #clients = new Set<WebSocketConnection>();

  /** Listen, or use `options.server`. Throws as {@link TcpServer} does. */
  constructor(options: WebSocketServerOptions, noCallback?: never) {
    super();
    refuseExtra('new WebSocketServer', noCallback, 'listen to "connection"; it listens already');
    const { settings, server } = openServer(options);
    this.#settings = { ...settings, goingAway: { code: CLOSE_GOING_AWAY, reason: '' } };
    this.server = server;
    server.on('error', (error) => this.emit('error', error));
    server.on('drop', (dropped) => this.emit('drop', dropped));
    server.on('close', () => this.emit('close'));
    const http = serveHttp(server, {
      headersTimeout: settings.handshakeTimeoutMs,
      connectionsCheckingInterval: Math.min(settings.handshakeTimeoutMs, CHECK_MS),
    });
    http.on('request', (request, response) => this.#onRequest(request, response));
    http.on('upgrade', (request, stream: FdDuplex, head) => {
      this.#onUpgrade({ request, stream, head });
    });
  }

  /** Where the server listens. Throws an Error if that is no IP address: see {@link server}. */
  get address(): SocketAddress {
    if (this.server instanceof TcpServer) return this.server.address;
    throw new Error('a WebSocketServer on a unix socket has no IP address');
  }

  /** The port, also if 0 was asked for. Throws as {@link address}. */
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
  broadcast(data: string | Uint8Array, { binary, except }: BroadcastOptions = {}): void {
    const isText = typeof data === 'string' || binary === false;
    const payload = typeof data === 'string' ? Buffer.from(data) : data;
    const frame = encodeFrame(isText ? OPCODE_TEXT : OPCODE_BINARY, payload);
    for (const client of this.#clients) {
      if (client !== except) client.sendEncoded(frame);
    }
  }

  /**
   * Stop listening and close every client with `code`. `close` is told when the last connection has
   * gone, after `closeTimeoutMs` at the latest.
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
   * As {@link close}, with a deadline and a promise, and not before what has arrived was handled; see
   * {@link StreamServer.shutdown}. Clients have until the deadline to answer the close frame, whatever
   * `closeTimeoutMs` is. HTTP responses under way are finished. Rejects with a RangeError for a code
   * or reason that a close frame cannot carry.
   */
  async shutdown(options: WebSocketShutdownOptions = {}): Promise<ShutdownResult> {
    const { code, reason, ...limits } = parseOptions('shutdown', shutdownSchema, options);
    checkClose(code, reason);
    this.#settings.goingAway = { code, reason };
    // Longer than the deadline, so that it is that which cuts, and counts.
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

  /** For a client. */
  onSocketClose(socket: WebSocketConnection): void {
    this.#clients.delete(socket);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.emit('request', request, response)) return;
    response.writeHead(426, { 'Content-Type': 'text/plain', Upgrade: 'websocket' });
    response.end('this server speaks WebSocket only\n');
  }

  #onUpgrade(upgrade: Upgrade): void {
    const { request, stream } = upgrade;
    // node:http has let go of the stream. An error of it is a client that went away.
    stream.on('error', () => stream.destroy());
    const refusal = this.#checkPath(request) ?? checkUpgrade(request);
    if (refusal !== null) return refuse(stream, refusal);
    try {
      const verdict = this.#settings.authorize?.(request) ?? true;
      if (!(verdict instanceof Promise)) return this.#finishUpgrade(upgrade, verdict);
      verdict.then(
        (late) => this.#finishUpgrade(upgrade, late),
        (error) => this.#failUpgrade(stream, error),
      );
    } catch (error) {
      this.#failUpgrade(stream, error);
    }
  }

  #checkPath({ url = '' }: IncomingMessage): HandshakeRefusal | null {
    const { path } = this.#settings;
    if (path === undefined || url.split('?', 1)[0] === path) return null;
    return { status: 404, reason: 'there is no WebSocket at this path' };
  }

  #finishUpgrade({ request, stream, head }: Upgrade, verdict: Authorization): void {
    if (verdict !== true) return refuse(stream, verdict === false ? FORBIDDEN : verdict);
    const released = stream.release();
    if (released === null) return;
    const { connection, rest } = released;
    const protocol = this.#chooseProtocol(request);
    connection.write(acceptResponse(request, protocol));
    const socket = new WebSocketConnection(connection, {
      settings: this.#settings,
      owner: this,
      protocol,
    });
    this.#clients.add(socket);
    this.emit('connection', socket, request);
    if (!this.server.listening) socket.onShutdown();
    socket.receive(head);
    socket.receive(rest);
  }

  /** `authorize` failed, which is the program's mistake: tell both sides. */
  #failUpgrade(stream: FdDuplex, error: unknown): void {
    refuse(stream, { status: 500, reason: 'the request could not be checked' });
    this.loop.uncaught(error);
  }

  #chooseProtocol(request: IncomingMessage): string | null {
    const offered = offeredProtocols(request.headers['sec-websocket-protocol']);
    return this.#settings.protocols.find((name) => offered.includes(name)) ?? null;
  }
}

/** A request that may become a WebSocket. */
interface Upgrade {
  request: IncomingMessage;
  stream: FdDuplex;
  /** Bytes that came in the same piece as the end of the request. */
  head: Buffer;
}

/** How often node:http looks for requests that take too long, at most. */
const CHECK_MS = 1_000;
const FORBIDDEN: HandshakeRefusal = { status: 403, reason: 'the request was not accepted' };

function refuse(stream: FdDuplex, refusal: HandshakeRefusal): void {
  stream.write(refusalResponse(refusal));
  stream.destroySoon();
}
