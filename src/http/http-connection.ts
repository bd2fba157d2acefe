/**
 * A connection of an HTTP server as node:http sees it, which can leave without losing an answer.
 *
 * When the server shuts down: a connection that waits between two requests is closed. A response
 * under way is finished; it gets `Connection: close` if its head was not sent yet. A connection that
 * has asked for nothing yet may make one request. What was upgraded is its taker's, who is told by the
 * stream's event `shutdown`.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { FdDuplex } from '../net/fd-duplex';
import type { TcpConnection } from '../net/tcp-connection';

/** The connections of one HTTP server. */
export class HttpConnections {
  readonly #http: Server;
  #isCollectionDue = false;

  constructor(http: Server) {
    this.#http = http;
    // Before all listeners of the user, because it changes what the response will be.
    http.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (request.socket instanceof HttpConnection) request.socket.onRequest(response);
    });
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

/**
 * Requests of one connection that wait for their answers, from which on no more are read. Not a matter
 * of the protocol: node:http stops reading by the bytes of the answers that wait, and an answer that
 * is not made yet has none.
 */
const MAX_WAITING = 128;

/** One connection. */
export class HttpConnection extends FdDuplex {
  readonly #all: HttpConnections;
  /** The response to the latest request; null before the first. */
  #response: ServerResponse | null = null;
  #isLeaving = false;
  #waiting = 0;
  readonly #onAnswered = (): void => {
    this.#waiting -= 1;
    if (this.#waiting === MAX_WAITING) super._read();
  };

  constructor(connection: TcpConnection, all: HttpConnections) {
    super(connection);
    this.#all = all;
  }

  /** A request came: `response` is the answer to be. */
  onRequest(response: ServerResponse): void {
    this.#response = response;
    this.#waiting += 1;
    response.once('close', this.#onAnswered);
    if (this.#waiting > MAX_WAITING) this.connection?.pause();
    if (this.#isLeaving) this.#makeLast(response);
  }

  /** The server shuts down. */
  override onShutdown(): void {
    if (this.emit('shutdown')) return;
    this.#isLeaving = true;
    if (this.#isAnswering) this.#makeLast(this.#response as ServerResponse);
    this.#all.closeIdleSoon();
  }

  /** Close, unless an answer is still being sent. */
  leave(): void {
    if (!this.#isAnswering) this.destroySoon();
  }

  override destroy(error?: Error): this {
    if (collected === null) return super.destroy(error);
    collected.push(this);
    return this;
  }

  override _read(): void {
    if (this.#waiting <= MAX_WAITING) super._read();
  }

  get #isAnswering(): boolean {
    return this.#response !== null && !this.#response.writableFinished;
  }

  #makeLast(response: ServerResponse): void {
    if (!response.headersSent) response.shouldKeepAlive = false;
    // Not closed by node:http if the head was sent, or says something else.
    response.once('finish', () => this.#all.closeIdleSoon());
  }
}

/** What a socket of node:http runs on; null if it is none of ours, or closed. */
export function connectionOf(socket: Duplex): TcpConnection | null {
  return socket instanceof HttpConnection ? socket.connection : null;
}
