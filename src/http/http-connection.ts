/**
 * A connection of an HTTP server as node:http sees it, which can leave without losing an answer.
 *
 * When the server shuts down: a connection that waits between two requests is closed. A response
 * under way is finished; it gets `Connection: close` if its head was not sent yet. A connection that
 * has asked for nothing yet may make one request. What was upgraded is its taker's, who is told by the
 * stream's event `shutdown`.
 */
import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TcpConnection } from '../net/tcp-connection';
import { delayParseErrors } from './parse-errors';
import { RequestGate } from './request-gate';
import { watchRequests } from './server-events';
import { ServerStream } from './server-stream';

/** The connections of one HTTP server. */
export class HttpConnections {
  readonly #http: Server;
  #isCollectionDue = false;

  constructor(http: Server) {
    this.#http = http;
    watchRequests(http, {
      onRequest(request, response) {
        const { socket } = request;
        if (!(socket instanceof HttpConnection)) return;
        socket.onRequest(response);
        socket.gate?.onRequest(request, response);
      },
      onTakeOver: ({ socket }) =>
        socket instanceof HttpConnection ? (socket.gate?.open() ?? null) : null,
    });
    delayParseErrors(http, (socket) => (socket instanceof HttpConnection ? socket.gate : null));
  }

  /** What node:http is to be given for an accepted connection. */
  streamOn(connection: TcpConnection): HttpConnection {
    return new HttpConnection(connection, this);
  }

  /** Close those which are idle: soon, when what has arrived was parsed, and once for all of them. */
  closeIdleSoon(): void {
    if (this.#isCollectionDue) return;
    this.#isCollectionDue = true;
    setImmediate(() => {
      this.#isCollectionDue = false;
      this.closeIdle();
    });
  }

  /** Close those which are idle now. */
  closeIdle(): void {
    for (const idle of idleConnections(this.#http)) idle.leave();
  }
}

/** Where {@link HttpConnection.destroy} puts those which it is called for; null if it destroys. */
let collected: HttpConnection[] | null = null;

/**
 * node:http knows which connections are between two requests. It tells by destroying them, and takes
 * one of which the response was written but not sent yet for idle; so they are collected instead.
 */
function idleConnections(http: Server): HttpConnection[] {
  const found: HttpConnection[] = [];
  collected = found;
  try {
    http.closeIdleConnections();
  } finally {
    collected = null;
  }
  return found;
}

/** One connection. */
export class HttpConnection extends ServerStream {
  readonly #all: HttpConnections;
  /** How far it asks ahead; undefined while the constructors below this one run. */
  readonly gate: RequestGate | undefined;

  constructor(connection: TcpConnection, all: HttpConnections) {
    super(connection);
    this.#all = all;
    this.gate = new RequestGate({
      pass: (chunk) => this.push(chunk),
      isClogged: () => this.readableFlowing !== true || this.readableLength > 0,
      hold: () => this.connection?.pause(),
      resume: () => super._read(),
      end: () => {},
      onAhead: () => this.sendLittle(),
    });
  }

  override onOwnBytes(chunk: Buffer): void {
    this.gate?.take(chunk);
  }

  override _read(): void {
    this.gate?.onWanted();
  }

  override resume(): this {
    super.resume();
    this.gate?.onResume();
    return this;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.gate?.close();
    super._destroy(error, callback);
  }

  /** The server shuts down. */
  override onShutdown(): void {
    if (this.emit('shutdown')) return;
    this.finishAnswers();
    this.#all.closeIdleSoon();
  }

  override leave(): void {
    if (!this.isAnswering && !this.hasUnasked) this.destroySoon();
  }

  protected override get hasUnasked(): boolean {
    return this.gate?.isHolding === true;
  }

  protected override onLastSent(): void {
    this.#all.closeIdleSoon();
  }

  override destroy(error?: Error): this {
    if (collected === null) return super.destroy(error);
    collected.push(this);
    return this;
  }
}

/** What a socket of node:http runs on; null if it is none of ours, or closed. */
export function connectionOf(socket: Duplex): TcpConnection | null {
  return socket instanceof HttpConnection ? socket.connection : null;
}
