/** The connection of an HTTP server, with or without TLS, and its answers. */
import type { ServerResponse } from 'node:http';
import type { StreamConnection } from '../../net/connection/connection';
import { FdDuplex } from '../../net/duplex/fd-duplex';
import { IPPROTO_TCP, TCP_NOTSENT_LOWAT } from '../../sys/constants';
import { setsockopt } from '../../sys/socket';
import type { IdleConnections, Leaver } from './idle-connections';

/** The bytes that the kernel takes for a client that asks ahead, beyond the room in the client's window. */
const UNSENT_BYTES = Int32Array.of(16 * 1024);

/** One connection. It knows what is being answered. */
export abstract class ServerStream extends FdDuplex implements Leaver {
  readonly #idle: IdleConnections;
  /** The response to the latest request, which is finished last; null if there is none to be made. */
  #response: ServerResponse | null = null;
  #isLeaving = false;
  #sendsLittle = false;

  constructor(connection: StreamConnection, idle: IdleConnections) {
    super(connection);
    this.#idle = idle;
  }

  /** Whether it is to close as soon as it is idle. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** A request came: `response` is the answer to be. */
  onRequest(response: ServerResponse): void {
    this.#response = response;
    if (this.#isLeaving && !this.hasUnasked) this.#makeLast(response);
  }

  /** All that was asked is answered. */
  onAnswered(): void {
    this.#response = null;
  }

  /** Closes later than it is destroyed, as a `net.Socket` does: after the events of all whole requests. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    super._destroy(error, (failed) => setImmediate(callback, failed));
  }

  /** See {@link Leaver}. */
  leave(): void {
    if (!this.#isAnswering && !this.hasUnasked) this.finish();
  }

  /**
   * From now on, leave the kernel little that it cannot send yet: a client that asks ahead and reads
   * nothing would have hundreds of answers made that wait there, in up to 4 MiB.
   */
  protected sendLittle(): void {
    const { connection } = this;
    if (this.#sendsLittle || connection === null || connection.closed) return;
    this.#sendsLittle = true;
    // Refused by a unix socket, which holds 200 KB.
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
  }

  /** Close after what is written. */
  protected abstract finish(): void;

  /** Whether bytes have come that node:http has not seen yet. */
  protected abstract get hasUnasked(): boolean;

  /** Close as soon as this is idle. The answers under way are the last ones, or that to the next request. */
  protected leaveWhenIdle(): void {
    this.#isLeaving = true;
    // Those before it must not say so: node:http then drops what stands behind.
    if (this.#response !== null && !this.hasUnasked) this.#makeLast(this.#response);
    this.#idle.closeLeavingSoon();
  }

  /** Whether an answer is still being made or sent. */
  get #isAnswering(): boolean {
    return this.#response !== null && !this.#response.writableFinished;
  }

  #makeLast(response: ServerResponse): void {
    if (!response.headersSent) response.shouldKeepAlive = false;
    // Not closed by node:http if the head was sent, or says something else.
    response.once('finish', () => this.#idle.closeLeavingSoon());
    // An answer may be sent before its request has come whole.
    response.req.once('end', () => this.#idle.closeLeavingSoon());
  }
}
