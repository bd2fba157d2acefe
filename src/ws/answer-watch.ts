/**
 * Looks at a connection for {@link AwaitedAnswer}, and has the last word where this thread is late:
 * nobody is cut for an answer that has arrived and was not read. What had arrived when the time was
 * over is read first, and no more than that: a peer that floods cannot put its verdict off.
 */
import type { StreamConnection } from '../net/connection/connection';
import { undeliveredBytes, unreadBytes } from '../net/socket/undelivered';
import { AwaitedAnswer, OVERDUE, type Vitals } from './awaited-answer';

/** For the time of one look. */
const vitals: Vitals = { now: 0, delivered: 0, received: 0, frame: 0 };
/** While what has arrived is read. */
const READING_MS = 1;

/** What one WebSocket waits for from its peer. */
export class AnswerWatch {
  readonly #answer = new AwaitedAnswer();
  readonly #connection: StreamConnection;
  /** `bytesRead` up to which to read before the verdict; 0 if there is none yet. */
  #readUntil = 0;

  constructor(connection: StreamConnection) {
    this.#connection = connection;
  }

  /** Whether nothing that we wrote is on its way: then what is written next is soon there. */
  get clear(): boolean {
    return this.#connection.queuedBytes + undeliveredBytes(this.#connection.fd) === 0;
  }

  /**
   * Wait for the answer to what was written last; `wasClear` is {@link clear} of before. `frame` is
   * the one that is under way. Returns after how many milliseconds to {@link look}.
   */
  begin(limitMs: number, { frame, wasClear }: { frame: number; wasClear: boolean }): number {
    const { bytesWritten, queuedBytes } = this.#connection;
    const position = bytesWritten + queuedBytes;
    this.#readUntil = 0;
    this.#see(frame);
    return wasClear
      ? this.#answer.beginDelivered(limitMs, position, vitals)
      : this.#answer.begin(limitMs, position, vitals);
  }

  /** The answer has come. */
  answered(): void {
    this.#readUntil = 0;
    this.#answer.answered();
  }

  /** As of {@link AwaitedAnswer}; a peer is not judged while we do not read it and `mayPause`. */
  look(frame: number, mayPause: boolean): number {
    const connection = this.#connection;
    this.#see(frame);
    if (mayPause && connection.paused && this.#answer.awaited) {
      this.#readUntil = 0;
      return this.#answer.excuse(vitals);
    }
    if (this.#readUntil === 0) {
      const waitMs = this.#answer.look(vitals);
      if (waitMs !== OVERDUE) return waitMs;
      // The FIN alone has no bytes.
      this.#readUntil = connection.bytesRead + Math.max(1, unreadBytes(connection.fd));
    }
    const isRead = connection.bytesRead >= this.#readUntil || !connection.hasUnread();
    return isRead ? OVERDUE : READING_MS;
  }

  #see(frame: number): void {
    const { bytesWritten, bytesRead, fd } = this.#connection;
    vitals.now = performance.now();
    vitals.delivered = bytesWritten - undeliveredBytes(fd);
    vitals.received = bytesRead;
    vitals.frame = frame;
  }
}
