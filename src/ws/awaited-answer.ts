/**
 * How long a peer may owe an answer: the pong to a ping, the close frame to ours, the FIN to ours.
 * Pure logic: no clock, no I/O; a look brings what is known at that time ({@link Vitals}).
 *
 * The rule, of which `limitMs` is the only number that users set:
 * 1. *Leaving.* What asks for the answer stands behind other bytes, in our queue or in the kernel.
 *    While those move, the peer reads, and cannot have seen it. It is overdue when none of them has
 *    moved for `limitMs`.
 * 2. *Delivered.* From when the peer's kernel has it, the answer has `limitMs`. A peer that is silent
 *    for so long is overdue. One that sends or reads meanwhile gets the time again, but no more than
 *    {@link MAX_MISSED} times in all: bytes are a sign of life, not an answer.
 * 3. *One long frame.* A peer in the middle of a frame must not put its answer inside (RFC 6455, 5.4).
 *    While the frame lasts that was under way when 1 or 2 began, and bytes of it come, the time
 *    begins anew. It does so for that frame alone, whose size has a limit.
 */

/** What is known at one time. One object may serve for all looks. */
export interface Vitals {
  /** In milliseconds of a clock that does not jump. */
  now: number;
  /** Bytes that the peer's kernel has acknowledged, of all that were ever written. */
  delivered: number;
  /** Bytes received. */
  received: number;
  /** A number for the frame that is under way from the peer; 0 if none is. */
  frame: number;
}

/** In place of a time to wait: the peer is to be cut. */
export const OVERDUE = -1;
/** In place of a time to wait: no answer is awaited. */
export const NOTHING_AWAITED = 0;
/** So many times `limitMs` pass without the answer, and a peer is cut, whatever else it sends. */
export const MAX_MISSED = 3;
/** While a frame of ours is leaving, progress is looked for so often in `limitMs`. */
const LOOKS_PER_LIMIT = 4;

/** An answer that one peer owes. */
export class AwaitedAnswer {
  #state: 'none' | 'leaving' | 'delivered' = 'none';
  #limitMs = 0;
  #position = 0;
  #since = 0;
  #missed = 0;
  // As they were at the last look.
  #delivered = 0;
  #received = 0;
  /** The frame that excuses; 0 for none. */
  #frame = 0;

  get awaited(): boolean {
    return this.#state !== 'none';
  }

  /**
   * An answer is owed from now on: to what ends at `position` of all the bytes that were ever
   * written. Returns after how many milliseconds to look.
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

  /** As {@link begin} where nothing stands before what asks for the answer: it counts as delivered. */
  beginDelivered(limitMs: number, position: number, vitals: Vitals): number {
    this.begin(limitMs, position, vitals);
    this.#state = 'delivered';
    return limitMs;
  }

  /** The answer has come, or is not wanted any more. */
  answered(): void {
    this.#state = 'none';
  }

  /** We have not read: none of the time counts that has passed. Returns when to look again. */
  excuse(vitals: Vitals): number {
    this.#note(vitals);
    this.#restart(vitals);
    return this.#limitMs;
  }

  /** Returns after how many milliseconds to look again, {@link OVERDUE}, or {@link NOTHING_AWAITED}. */
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
