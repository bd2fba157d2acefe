/**
 * A connection of an HTTP server as node:http sees it, which can leave without losing an answer.
 *
 * When the server shuts down: a connection that waits between two requests is closed. A response
 * under way is finished; it gets `Connection: close` if its head was not sent yet. A connection that
 * has asked for nothing yet may make one request. An upgraded connection belongs to its taker, and the
 * stream's event `shutdown` notifies it.
 */
import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { StreamConnection } from '../../net/connection/connection';
import { IdleConnections, isCollected } from './idle-connections';
import { delayParseErrors } from './parse-errors';
import { type GateStream, RequestGate } from './request-gate';
import { watchRequests } from './server-events';
import { ServerStream } from './server-stream';

/** The connections of one HTTP server. */
export class HttpConnections {
  readonly #idle: IdleConnections;

  constructor(http: Server) {
    this.#idle = new IdleConnections(http, (socket) =>
      socket instanceof HttpConnection ? socket : null,
    );
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
  streamOn(connection: StreamConnection): HttpConnection {
    return new HttpConnection(connection, this.#idle);
  }

  /** Close those which are idle now. */
  closeIdle(): void {
    this.#idle.close();
  }
}

/** One connection. */
export class HttpConnection extends ServerStream {
  /** How far it asks ahead; undefined while the constructors below this one run. */
  readonly gate: RequestGate | undefined;

  constructor(connection: StreamConnection, idle: IdleConnections) {
    super(connection, idle);
    this.gate = new RequestGate(new ReadableSide(this));
  }

  override onOwnBytes(chunk: Buffer): void {
    this.gate?.take(chunk);
  }

  override _read(): void {
    this.gate?.onWanted();
  }

  /** For the gate. */
  readOn(): void {
    super._read();
  }

  /** For the gate: see {@link GateStream}. */
  onAhead(): void {
    this.sendLittle();
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
    if (!this.emit('shutdown')) this.leaveWhenIdle();
  }

  protected override finish(): void {
    this.destroySoon();
  }

  protected override get hasUnasked(): boolean {
    return this.gate?.isHolding === true;
  }

  override destroy(error?: Error): this {
    return isCollected(this) ? this : super.destroy(error);
  }
}

/** The readable side of a connection, as its gate sees it: an object without a closure for each method. */
class ReadableSide implements GateStream {
  readonly #connection: HttpConnection;

  constructor(connection: HttpConnection) {
    this.#connection = connection;
  }

  pass(chunk: Buffer): boolean {
    return this.#connection.push(chunk);
  }

  isClogged(): boolean {
    const connection = this.#connection;
    return connection.readableFlowing !== true || connection.readableLength > 0;
  }

  hold(): void {
    this.#connection.connection?.pause();
  }

  resume(): void {
    this.#connection.readOn();
  }

  /** The connection has an end of its own. */
  end(): void {}

  onAhead(): void {
    this.#connection.onAhead();
  }

  onAnswered(): void {
    this.#connection.onAnswered();
  }
}

/** The connection that a socket of node:http runs on; null if it is none of ours, or closed. */
export function connectionOf(socket: Duplex): StreamConnection | null {
  return socket instanceof HttpConnection ? socket.connection : null;
}
