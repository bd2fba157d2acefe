/**
 * A connection between its upgrade request and the verdict of an asynchronous `authorize`.
 *
 * HTTP has released it, and there is no WebSocket yet. Received bytes are kept up to a limit, and
 * the peer must wait beyond it; a client must not send before the 101 anyway (RFC 6455, section
 * 4.1). A client that leaves is closed at once: it never becomes a WebSocket, whatever the verdict.
 */
import { type TimerEntry, UNSCHEDULED } from '../loop/timer-lists';
import type { ConnectionHandler, StreamConnection } from '../net/connection/connection';

/** Bytes kept for the future WebSocket; the rest waits in the kernel. */
const MAX_EARLY_BYTES = 64 * 1024;

/** Waits for the first of: a verdict, the deadline, the end of the connection. */
export class Opening implements ConnectionHandler, TimerEntry {
  /** For the timer wheel, which maintains it. */
  timerIndex: number = UNSCHEDULED;
  readonly #connection: StreamConnection;
  readonly #onLate: () => void;
  /** Null after the end. */
  #early: Buffer[] | null;
  #earlyBytes: number;

  /**
   * Takes `connection` over; `early` arrived with the request. `onLate` is called at the deadline.
   */
  constructor(
    connection: StreamConnection,
    { early, timeoutMs, onLate }: { early: Buffer; timeoutMs: number; onLate: () => void },
  ) {
    this.#connection = connection;
    this.#onLate = onLate;
    this.#early = [early];
    this.#earlyBytes = early.length;
    connection.setHandler(this);
    if (this.#earlyBytes < MAX_EARLY_BYTES) connection.resume();
    connection.loop.timers.schedule(this, timeoutMs);
  }

  /**
   * The verdict is here. Returns the bytes received meanwhile; null if the client has left, or at a
   * second call.
   */
  settle(): Buffer | null {
    const early = this.#early;
    this.#finish();
    return early === null ? null : Buffer.concat(early);
  }

  onData(connection: StreamConnection, chunk: Buffer): void {
    this.#early?.push(Buffer.from(chunk));
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes >= MAX_EARLY_BYTES) connection.pause();
  }

  onEnd(connection: StreamConnection): void {
    connection.destroy();
  }

  /**
   * The handshake is finished first: then the WebSocket sends its close frame, or the refusal is
   * the end.
   */
  onShutdown(): void {}

  onClose(): void {
    this.#finish();
  }

  /** For the timer wheel. */
  onTimer(): void {
    if (this.settle() !== null) this.#onLate();
  }

  #finish(): void {
    this.#early = null;
    this.#connection.loop.timers.cancel(this);
  }
}
