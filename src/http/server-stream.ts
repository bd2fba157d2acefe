/** The connection of an HTTP server, with or without TLS, and its answers. */
import type { ServerResponse } from 'node:http';
import { FdDuplex } from '../net/fd-duplex';
import { IPPROTO_TCP, TCP_NOTSENT_LOWAT } from '../sys/constants';
import { setsockopt } from '../sys/socket';

/** What the kernel takes for a client that asks ahead, beyond what the client's window has room for. */
const UNSENT_BYTES = Int32Array.of(16 * 1024);

/** One connection. It knows what is being answered. */
export abstract class ServerStream extends FdDuplex {
  /** The response to the latest request, which is finished last; null before the first. */
  #response: ServerResponse | null = null;
  #isLeaving = false;
  #sendsLittle = false;

  /** A request came: `response` is the answer to be. */
  onRequest(response: ServerResponse): void {
    this.#response = response;
    if (this.#isLeaving && !this.hasUnasked) this.#makeLast(response);
  }

  /** Closes later than it is destroyed, as a `net.Socket` does: after what had come whole was told. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    super._destroy(error, (failed) => setImmediate(callback, failed));
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

  /** Close, unless an answer is still being sent. */
  abstract leave(): void;

  /** An answer after which the connection is to leave has been sent. */
  protected abstract onLastSent(): void;

  /** Whether bytes have come that node:http has not seen yet. */
  protected abstract get hasUnasked(): boolean;

  /** Whether there was a request. */
  protected get hasAsked(): boolean {
    return this.#response !== null;
  }

  /** Whether an answer is still being made or sent. */
  protected get isAnswering(): boolean {
    return this.#response !== null && !this.#response.writableFinished;
  }

  /** The answers under way are the last ones; if there is none, that to the next request. */
  protected finishAnswers(): void {
    this.#isLeaving = true;
    // Those before it must not say so: node:http then drops what stands behind.
    if (this.isAnswering && !this.hasUnasked) this.#makeLast(this.#response as ServerResponse);
  }

  #makeLast(response: ServerResponse): void {
    if (!response.headersSent) response.shouldKeepAlive = false;
    // Not closed by node:http if the head was sent, or says something else.
    response.once('finish', () => this.onLastSent());
  }
}
