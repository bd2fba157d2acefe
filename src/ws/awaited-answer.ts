/**
 * The time for which a peer may owe an answer: the pong to a ping, the close frame to ours, the FIN
 * to ours. Pure logic, without clock or I/O; each look gets the facts of its time ({@link Vitals}).
 *
 * The rule, of which `limitMs` is the only number that users set:
 * 1. *Leaving.* The request for the answer stands behind other bytes, in our queue or in the
 *    kernel. While those move, the peer reads and cannot have seen it. It is overdue when none of
 *    them has moved for `limitMs`.
 * 2. *Delivered.* From the delivery to the peer's kernel on, the answer has `limitMs`. A peer that
 *    is silent for that time is overdue. A peer that sends or reads meanwhile gets the time again,
 *    but at most {@link MAX_MISSED} times in all: bytes are a sign of life, not an answer.
 * 3. *One long frame.* A peer in the middle of a frame must not put its answer inside (RFC 6455,
 *    5.4). The time starts again while the frame lasts that was under way when 1 or 2 began, and
 *    bytes of it arrive. This holds for that frame alone, whose size has a limit.
 */

/** The facts at one time. One object may serve for all looks. */
export interface Vitals {
  /** In milliseconds of a clock that does not jump. */
  now: number;
  /** Bytes acknowledged by the peer's kernel, of all that were ever written. */
  delivered: number;
  /** Bytes received. */
  received: number;
  /** A number for the peer's frame under way; 0 if there is none. */
  frame: number;
}

/** Instead of a time to wait: cut the peer. */
export const OVERDUE = -1;
/** Instead of a time to wait: no answer is awaited. */
export const NOTHING_AWAITED = 0;
/** A peer is cut after so many times `limitMs` without the answer, whatever else it sends. */
export const MAX_MISSED = 3;
/** While our bytes are leaving, their progress is checked so often in `limitMs`. */
const LOOKS_PER_LIMIT = 4;

/** An answer that one peer owes. */
export class AwaitedAnswer {
  #state: 'none' | 'leaving' | 'delivered' = 'none';
  #limitMs = 0;
  #position = 0;
  #since = 0;
  #missed = 0;
  // The facts at the last look.
  #delivered = 0;
  #received = 0;
  /** The frame that excuses the peer; 0 for none. */
  #frame = 0;

  get awaited(): boolean {
    return this.#state !== 'none';
  }

  /**
   * The peer owes an answer from now on: to bytes that end at `position` of all bytes ever written.
   * Returns the milliseconds until the first look.
   */
  begin(limitMs: number, position: number, vitals: Vitals): number {
    this.#limitMs = limitMs;
    this.#position = position;
    this.#missed = 0;
    this.#state = 'leaving';
    this.#note(vitals);
    this.#restart(vitals);
    return this.#nextLookMs(vitals.now);
  }

  /** As {@link begin} if nothing stands before the request: it counts as delivered. */
  beginDelivered(limitMs: number, position: number, vitals: Vitals): number {
    this.begin(limitMs, position, vitals);
    this.#state = 'delivered';
    return limitMs;
  }

  /** The answer has arrived, or is not needed any more. */
  answered(): void {
    this.#state = 'none';
  }

  /**
   * We have not read: the past time does not count. Returns the milliseconds until the next look.
   */
  excuse(vitals: Vitals): number {
    this.#note(vitals);
    this.#restart(vitals);
    return this.#limitMs;
  }

  /** Returns the milliseconds until the next look, {@link OVERDUE}, or {@link NOTHING_AWAITED}. */
  look(vitals: Vitals): number {
    if (this.#state === 'none') return NOTHING_AWAITED;
    const { now } = vitals;
    const hasRead = vitals.delivered !== this.#delivered;
    const hasSent = vitals.received !== this.#received;
    this.#note(vitals);
    if (this.#state === 'leaving' && vitals.delivered >= this.#position) {
      this.#state = 'delivered';
      this.#restart(vitals);
    } else if (this.#isInFrame(vitals)) {
      if (hasSent || (hasRead && this.#state === 'leaving')) this.#since = now;
    } else if (this.#state === 'leaving') {
      if (hasRead) this.#since = now;
    } else if (now - this.#since >= this.#limitMs && (hasRead || hasSent)) {
      this.#missed += 1;
      if (this.#missed < MAX_MISSED) this.#since = now;
    }
    return now - this.#since >= this.#limitMs ? OVERDUE : this.#nextLookMs(now);
  }

  #isInFrame({ frame }: Vitals): boolean {
    return frame !== 0 && frame === this.#frame;
  }

  #note({ delivered, received }: Vitals): void {
    this.#delivered = delivered;
    this.#received = received;
  }

  #restart({ now, frame }: Vitals): void {
    this.#since = now;
    this.#frame = frame;
  }

  #nextLookMs(now: number): number {
    if (this.#state === 'leaving') return Math.max(1, this.#limitMs / LOOKS_PER_LIMIT);
    return Math.max(1, this.#since + this.#limitMs - now);
  }
}
