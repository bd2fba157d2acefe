/**
 * Holds back what arrives on a stream until the writers of the stream know that their writes are done.
 *
 * Node's TLS runs on a stream through a wrapper, which finishes each write in an immediate after the
 * write's callback. Bytes that reach TLS before that find a write in progress: an alert or an answer
 * to them is queued behind it, and the destroy that follows drops the queue. On a `net.Socket` the
 * poll phase, in which bytes come, lies between two check phases, in which writes finish. Our bytes
 * come in the check phase; so those that follow a write wait for the next one.
 *
 * TLS may also write in the middle of a chunk (session tickets) and close at its end. So chunks are
 * handed on in portions of what node reads for TLS at once, and a write holds back what is left.
 *
 * A write that waits for its peer holds nothing back for longer: it is in progress on a `net.Socket`
 * too, and a peer that waits to be read must not wait for ever.
 */

/** The bytes that node reads for TLS at once. */
const PORTION_BYTES = 16 * 1024;

/** Record type 22 of TLS (RFC 8446, 5.1), and the first byte of all its versions. */
const HANDSHAKE = 22;
const MAJOR_VERSION = 3;

/** Whether `chunk` may begin with a handshake of TLS: then what follows should pass a gate. */
export function beginsHandshake(chunk: Buffer): boolean {
  if (chunk[0] !== HANDSHAKE) return false;
  return chunk.byteLength === 1 || chunk[1] === MAJOR_VERSION;
}

/** The stream behind the gate. */
export interface ArrivalTarget {
  /** Bytes of writes that are not done. */
  readonly writableLength: number;
  /** A chunk, or null for the end: its time has come. */
  onArrival(chunk: Buffer | null): void;
  /** A listener of it has thrown. */
  onThrown(error: unknown): void;
}

/** The gate of one stream. */
export class ArrivalGate {
  readonly #target: ArrivalTarget;
  /** Whether there was a write whose writer may not know yet that it is done. */
  #isUnsettled = true;
  #held: (Buffer | null)[] = [];
  /** Whether {@link ArrivalGate.#onImmediate} is on its way. */
  #isDue = false;
  /** Runs after the ticks in which writes call back, and so queues behind the immediates made there. */
  readonly #onTick = (): void => {
    this.#isUnsettled = this.#target.writableLength > 0;
    setImmediate(this.#onImmediate);
  };
  /** One portion at least: a write that waits for its peer must not keep us waiting for ever. */
  readonly #onImmediate = (): void => {
    this.#isDue = false;
    do this.#handPortion();
    while (!this.#isUnsettled && this.#held.length > 0);
    this.#schedule();
  };

  constructor(target: ArrivalTarget) {
    this.#target = target;
  }

  /** Whether something is held back. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** The stream hands a write on. */
  onWrite(): void {
    this.#isUnsettled = true;
  }

  /** Hand `chunk` on, a portion at a time; from a write on, hold back what is left. */
  pass(chunk: Buffer | null): void {
    const isSmall = chunk === null || chunk.byteLength <= PORTION_BYTES;
    if (isSmall && !this.#isUnsettled && this.#held.length === 0) return this.#hand(chunk);
    this.#held.push(chunk);
    while (!this.#isUnsettled && this.#held.length > 0) this.#handPortion();
    this.#schedule();
  }

  /** Hand everything on now: for an end or a release, which cannot wait. */
  open(): void {
    while (this.#held.length > 0) this.#hand(this.#held.shift() as Buffer | null);
  }

  /** Drop what is held back. */
  drop(): void {
    this.#held = [];
  }

  #schedule(): void {
    if (this.#isDue || this.#held.length === 0) return;
    this.#isDue = true;
    process.nextTick(this.#onTick);
  }

  #handPortion(): void {
    const chunk = this.#held.shift();
    if (chunk === undefined) return;
    if (chunk === null || chunk.byteLength <= PORTION_BYTES) return this.#hand(chunk);
    this.#held.unshift(chunk.subarray(PORTION_BYTES));
    this.#hand(chunk.subarray(0, PORTION_BYTES));
  }

  /** A listener that throws keeps nothing from what follows. */
  #hand(chunk: Buffer | null): void {
    try {
      this.#target.onArrival(chunk);
    } catch (error) {
      this.#target.onThrown(error);
    }
  }
}
