/**
 * The WebSocket server of high concurrency.
 *
 * The listener is watched `IN | ONESHOT` and re-armed after each round of accepting. A connection is
 * watched `IN | RDHUP | ET`; the head of its request is parsed by node:http, and from the 101
 * response on it is a lean {@link WebSocketConnection}. HUP closes and removes it. Every complete
 * message of a segment is handled. Sockets stay non-blocking, so that the write deadline holds: a
 * client that never reads is cut, and nobody else notices.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { EventEmitter } from 'eventemitter3';
import { z } from 'zod';
import { serveHttp } from '../http/serve-http';
import type { EventLoop } from '../loop/event-loop';
import { parseOptions } from '../loop/options';
import { type TimerOwner, WheelTimer } from '../loop/timer-wheel';
import type { FdDuplex } from '../net/fd-duplex';
import { TcpServer, tcpServerOptionFields } from '../net/tcp-server';
import type { SocketAddress } from '../sys/address';
import type { FrameLimits } from './frame-decoder';
import { encodeFrame } from './frame-encoder';
import {
  acceptResponse,
  checkUpgrade,
  type HandshakeRefusal,
  offeredProtocols,
  refusalResponse,
} from './handshake';
import { CLOSE_GOING_AWAY, OPCODE_BINARY, OPCODE_TEXT } from './protocol';
import { WebSocketConnection, type WebSocketOwner } from './web-socket';

/** What {@link WebSocketServerOptions.authorize} may return. */
export type Authorization = boolean | { status: number; reason: string };

/** Options of {@link WebSocketServer}. */
export interface WebSocketServerOptions extends Partial<FrameLimits> {
  /** The port, 0 for one that is free; see {@link WebSocketServer.port}. */
  port: number;
  /** The IP address to listen at; `127.0.0.1` if not given. */
  host?: string;
  /** Connections the kernel keeps until they are accepted; 4,096 if not given. */
  backlog?: number;
  /** SO_REUSEPORT: several servers at one port. */
  reusePort?: boolean;
  /** IPV6_V6ONLY; false if not given. */
  ipv6Only?: boolean;
  /** Upgrade requests for this path only; others get a 404. Every path if not given. */
  path?: string;
  /** Subprotocols the server speaks; the first that the client offers too is agreed on. */
  protocols?: string[];
  /** Whether this request may open a WebSocket: look at its headers (`origin`, `cookie`). */
  authorize?: (request: IncomingMessage) => Authorization | Promise<Authorization>;
  /** Bytes of one message, at most; 1 MiB if not given. More is refused with 1009. */
  maxMessageBytes?: number;
  /** Fragments of one message, at most; 1,024 if not given. More are refused with 1008. */
  maxFragments?: number;
  /** Ping so often, and cut who has not answered the last one; 30,000 if not given, 0 for never. */
  pingIntervalMs?: number;
  /** How long a handshake of closing may take; 5,000 if not given. */
  closeTimeoutMs?: number;
  /** How long a request head may take; 10,000 if not given. */
  handshakeTimeoutMs?: number;
  /** Cut a connection of which a queued write waits for so long; 10,000 if not given. */
  writeTimeoutMs?: number;
  /** Queued bytes from which `send` returns false; 65,536 if not given. */
  highWaterMark?: number;
  /** Queued bytes at which a connection is cut; 16 MiB if not given. */
  maxQueuedBytes?: number;
  /** The loop that does the work; this thread's default loop if not given. */
  loop?: EventLoop;
}

/** The default of node:http's requestTimeout, which headersTimeout must not exceed. */
const REQUEST_TIMEOUT_MS = 300_000;

const timeoutMs = z.int().min(0).max(0x7fff_ffff);
const { port, host, backlog, reusePort, ipv6Only, highWaterMark, maxQueuedBytes, loop } =
  tcpServerOptionFields;

const optionsSchema = z.strictObject({
  port,
  host,
  backlog,
  reusePort,
  ipv6Only,
  highWaterMark,
  maxQueuedBytes,
  loop,
  path: z.string().startsWith('/').optional(),
  protocols: z.array(z.string().min(1)).default([]),
  authorize: z
    .custom<NonNullable<WebSocketServerOptions['authorize']>>(
      (value) => typeof value === 'function',
      {
        error: 'expected a function',
      },
    )
    .optional(),
  maxMessageBytes: z
    .int()
    .min(1)
    .max(0x7fff_ffff)
    .default(1024 * 1024),
  maxFragments: z.int().min(1).default(1024),
  pingIntervalMs: timeoutMs.default(30_000),
  closeTimeoutMs: timeoutMs.min(1).default(5_000),
  handshakeTimeoutMs: timeoutMs.min(1).max(REQUEST_TIMEOUT_MS).default(10_000),
  writeTimeoutMs: timeoutMs.default(10_000),
});

/** Events of {@link WebSocketServer}. */
export interface WebSocketServerEvents {
  /** A WebSocket is open. Attach listeners now: its messages come after this. */
  connection: [socket: WebSocketConnection, request: IncomingMessage];
  /** A plain HTTP request, to be answered as with node:http. Without a listener it gets a 426. */
  request: [request: IncomingMessage, response: ServerResponse];
  /** A connection could not be accepted (EMFILE); the server goes on. Need not be listened to. */
  error: [error: Error];
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

/** Serves WebSockets, and plain HTTP beside them, at one address. */
export class WebSocketServer
  extends EventEmitter<WebSocketServerEvents>
  implements WebSocketOwner, TimerOwner
{
  readonly #options: z.output<typeof optionsSchema>;
  readonly #tcp: TcpServer;
  readonly #http: Server;
  readonly #clients = new Set<WebSocketConnection>();
  readonly #closeDeadline = new WheelTimer(this);

  /** Listen. Throws as {@link TcpServer} does. */
  constructor(options: WebSocketServerOptions) {
    super();
    this.#options = parseOptions('WebSocketServer', optionsSchema, options);
    this.#tcp = listen(this.#options);
    this.#tcp.on('error', (error) => this.emit('error', error));
    this.#tcp.on('close', () => this.#onClosed());
    this.#http = serveHttp(this.#tcp, {
      headersTimeout: this.#options.handshakeTimeoutMs,
      connectionsCheckingInterval: Math.min(this.#options.handshakeTimeoutMs, CHECK_MS),
    });
    this.#http.on('request', (request, response) => this.#onRequest(request, response));
    this.#http.on('upgrade', (request, stream: FdDuplex, head) => {
      this.#onUpgrade({ request, stream, head });
    });
  }

  /** Where the server listens. */
  get address(): SocketAddress {
    return this.#tcp.address;
  }

  /** The port, also if 0 was asked for. */
  get port(): number {
    return this.#tcp.port;
  }

  /** The loop that does the work. */
  get loop(): EventLoop {
    return this.#tcp.loop;
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
  close(code: number = CLOSE_GOING_AWAY, reason = ''): void {
    if (!this.#tcp.listening) return;
    this.#tcp.close();
    this.#http.closeIdleConnections();
    for (const client of this.#clients) client.close(code, reason);
    this.loop.timers.schedule(this.#closeDeadline, this.#options.closeTimeoutMs);
  }

  /** Stop listening and cut every connection. */
  destroy(): void {
    this.#tcp.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** Hold the process open while listening; the default. */
  ref(): void {
    this.#tcp.ref();
  }

  /** Do not hold the process open. Connections still do. */
  unref(): void {
    this.#tcp.unref();
  }

  /** For a client. */
  onSocketClose(socket: WebSocketConnection): void {
    this.#clients.delete(socket);
  }

  /** For the timer wheel: who has not closed by now is cut. */
  onTimer(): void {
    this.#tcp.destroy();
  }

  #onClosed(): void {
    this.loop.timers.cancel(this.#closeDeadline);
    this.emit('close');
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
      const verdict = this.#options.authorize?.(request) ?? true;
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
    const { path } = this.#options;
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
      settings: this.#options,
      owner: this,
      protocol,
    });
    this.#clients.add(socket);
    this.emit('connection', socket, request);
    if (!this.#tcp.listening) socket.close(CLOSE_GOING_AWAY);
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
    return this.#options.protocols.find((name) => offered.includes(name)) ?? null;
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

function listen(options: z.output<typeof optionsSchema>): TcpServer {
  const { port, host, backlog, reusePort, ipv6Only, loop } = options;
  const { highWaterMark, maxQueuedBytes, writeTimeoutMs } = options;
  return new TcpServer({
    ...{ port, host, backlog, reusePort, ipv6Only, highWaterMark, maxQueuedBytes, writeTimeoutMs },
    ...(loop === undefined ? {} : { loop }),
    acceptTrigger: 'oneshot',
    trigger: 'edge',
  });
}

function refuse(stream: FdDuplex, refusal: HandshakeRefusal): void {
  stream.write(refusalResponse(refusal));
  stream.destroySoon();
}
