/** The connection of an HTTP server, with or without TLS, and its answers. */
import type { ServerResponse } from 'node:http';
import { FdDuplex } from '../net/fd-duplex';

/**
 * Requests of one connection that wait for their answers, from which on no more are read. Not a matter
 * of the protocol: node:http stops reading by the bytes of the answers that wait, and an answer that
 * is not made yet has none.
 */
const MAX_WAITING = 128;

/** One connection. It knows what is being answered, and does not read ahead of that for ever. */
export abstract class ServerStream extends FdDuplex {
  /** The response to the latest request, which is finished last; null before the first. */
  #response: ServerResponse | null = null;
  #isLeaving = false;
  #waiting = 0;
  readonly #onAnswered = (): void => {
    this.#waiting -= 1;
    if (this.#waiting === MAX_WAITING) super._read();
  };

  /** A request came: `response` is the answer to be. */
  onRequest(response: ServerResponse): void {
    this.#response = response;
    this.#waiting += 1;
    response.once('close', this.#onAnswered);
    if (this.#waiting > MAX_WAITING) this.connection?.pause();
    if (this.#isLeaving) this.#makeLast(response);
  }

  override _read(): void {
    if (this.#waiting <= MAX_WAITING) super._read();
  }

  /** Close, unless an answer is still being sent. */
  abstract leave(): void;

  /** An answer after which the connection is to leave has been sent. */
  protected abstract onLastSent(): void;

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
    if (this.isAnswering) this.#makeLast(this.#response as ServerResponse);
  }

  #makeLast(response: ServerResponse): void {
    if (!response.headersSent) response.shouldKeepAlive = false;
    // Not closed by node:http if the head was sent, or says something else.
    response.once('finish', () => this.onLastSent());
  }
}
