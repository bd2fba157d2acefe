/**
 * Pongs for a peer that pings and does not read. A waiting pong is a small write with its full
 * cost, so at most {@link MAX_WAITING_PONGS} wait for each socket. Of the later pings, only the
 * most recent one is answered, when there is room again, as RFC 6455, 5.5.3 allows.
 */
import type { WriteCallback } from '../bytes/write-queue';

/** Pongs that may wait in the queue of a connection; one more is kept back. */
const MAX_WAITING_PONGS = 16;

/** The pongs of one socket that the kernel does not have yet. */
export class PongQueue {
  #waiting = 0;
  #latest: Buffer | null = null;
  readonly #send: (data: Buffer, onSent: WriteCallback) => void;

  constructor(send: (data: Buffer, onSent: WriteCallback) => void) {
    this.#send = send;
  }

  /** Answer a ping with `data`, which is copied if it must be held. */
  push(data: Buffer): void {
    if (this.#waiting >= MAX_WAITING_PONGS) {
      this.#latest = Buffer.from(data);
      return;
    }
    this.#waiting += 1;
    this.#send(data, this.#onSent);
  }

  readonly #onSent = (error?: Error): void => {
    this.#waiting -= 1;
    const latest = this.#latest;
    this.#latest = null;
    if (latest !== null && error === undefined) this.push(latest);
  };
}
