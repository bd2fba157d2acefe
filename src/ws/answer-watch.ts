/**
 * Looks at a connection for {@link AwaitedAnswer}. If this thread is late, no peer is cut for an
 * answer that has arrived and was not read: the bytes that had arrived in time are read first, and
 * no more, so a peer that floods cannot delay its verdict.
 */
import type { StreamConnection } from '../net/connection/connection';
import { undeliveredBytes, unreadBytes } from '../net/socket/undelivered';
import { AwaitedAnswer, OVERDUE, type Vitals } from './awaited-answer';

/** For the time of one look. */
const vitals: Vitals = { now: 0, delivered: 0, received: 0, frame: 0 };
/** During the reading of arrived bytes. */
const READING_MS = 1;

/** The answer that one WebSocket awaits from its peer. */
export class AnswerWatch {
  readonly #answer = new AwaitedAnswer();
  readonly #connection: StreamConnection;
  /** `bytesRead` up to which to read before the verdict; 0 if there is none yet. */
  #readUntil = 0;

  constructor(connection: StreamConnection) {
    this.#connection = connection;
  }

  /** Whether all our bytes were delivered: then the next ones arrive soon. */
  get clear(): boolean {
    return this.#connection.queuedBytes + undeliveredBytes(this.#connection.fd) === 0;
  }

  /**
   * Await the answer to the bytes written last; `wasClear` is {@link clear} from before them.
   * `frame` is the one under way. Returns the milliseconds until the first {@link look}.
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

  /** The answer has arrived. */
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
      // A FIN alone has no bytes.
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
