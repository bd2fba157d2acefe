/**
 * How far one connection may ask ahead of its answers.
 *
 * A parser of HTTP makes a request and a response of each 33 bytes it is given, 4 KiB for both, and
 * node:http parses all of a chunk before it looks how many wait. So what a client sends is given on in
 * portions, each of one head at most, and none while enough answers wait: what is left stays here, at
 * most one read(2) or one TLS record's worth, and behind it in the kernel, whose window stops the client.
 *
 * Nothing is parsed here. A head ends with an empty line, so a portion that ends with the first empty
 * line holds no two heads; an empty line in a body makes one portion more, and no difference. The
 * length of a body is what its request says, and is given on as it comes.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Served, serveSoon } from './gate-rounds';

/** Requests of one connection that may wait for their answers; then no more are read. */
export const MAX_WAITING = 16;
/**
 * Requests that may wait behind others, of all connections of this thread together, with some 4 KiB
 * each. One beyond it waits until the answers before it are sent; the first of a connection never.
 */
export const MAX_AHEAD = 4_096;
/** With so many left, more are read: not for each answer. */
const RESUME_AT = MAX_WAITING / 2;

const EMPTY_LINE = Buffer.from('\r\n\r\n');
const CARRIAGE_RETURN = 13;
const NOTHING = Buffer.alloc(0);

/** The stream whose bytes are let through. */
export interface GateStream {
  /** Give `chunk` on. Returns what `Readable.push` does. */
  pass(chunk: Buffer): boolean;
  /** Whether bytes that are given on now would wait to be read. */
  isClogged(): boolean;
  /** Read no more from what is below. */
  hold(): void;
  /** Read again. */
  resume(): void;
  /** There is no more. */
  end(): void;
}

/** Requests that wait behind others, on all connections of this thread. */
let ahead = 0;

/** One connection's. */
export class RequestGate implements Served {
  readonly #stream: GateStream;
  /** What came and was not given on. */
  #kept: Buffer = NOTHING;
  /** How much of an empty line stands at the end of what was given on. */
  #matched = 0;
  /** Bytes to come of a body whose length is known. */
  #bodyLeft = 0;
  #latest: IncomingMessage | null = null;
  #waiting = 0;
  /** What this connection has of `ahead`. */
  #ahead = 0;
  /** A head was given on of which no request was heard: node:http refuses some by itself. */
  #isUnheard = false;
  /** The stream asked for more while there was none to have. */
  #isWanted = false;
  #isGiving = false;
  #isInRound = false;
  /** No more will come, and the stream does not know yet. */
  #isEnded = false;
  /** `open`: all is let through. */
  #state: 'http' | 'open' | 'closed' = 'http';
  readonly #onAnswered = (): void => {
    if (this.#state === 'closed') return;
    this.#count(-1);
    if (this.#waiting <= RESUME_AT) this.#proceed();
  };

  constructor(stream: GateStream) {
    this.#stream = stream;
  }

  /** Whether bytes wait here. */
  get isHolding(): boolean {
    return this.#kept.byteLength > 0;
  }

  /** `chunk` came, which is the gate's own. Returns whether to read on. */
  take(chunk: Buffer): boolean {
    if (this.#state !== 'http') return this.#stream.pass(chunk);
    this.#kept = this.isHolding ? Buffer.concat([this.#kept, chunk]) : chunk;
    const flows = this.#give(1);
    if (this.isHolding && this.#mayRead) this.#enqueue();
    if (flows && !this.isHolding && this.#mayRead) return true;
    this.#stream.hold();
    return false;
  }

  /** The stream asks for more, in the middle of a read of its own. */
  onWanted(): void {
    this.#isWanted = true;
    if (this.isHolding) this.#enqueue();
    else this.#proceed();
  }

  /** The stream flows again, after a pause in which it may have asked. */
  onResume(): void {
    if (this.isHolding) this.#enqueue();
  }

  /** No more will come. */
  onEnd(): void {
    this.#isEnded = true;
    this.#proceed();
  }

  /** For the rounds. */
  goOn(): void {
    this.#isInRound = false;
    if (this.isHolding) this.#give(MAX_WAITING);
    this.#proceed();
  }

  /** A request came, of which `response` is the answer. */
  onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.#state !== 'http') return;
    this.#latest = request;
    this.#isUnheard = false;
    this.#bodyLeft = Number(request.headers['content-length'] ?? 0);
    this.#count(1);
    response.once('close', this.#onAnswered);
  }

  /** HTTP is over. Returns what came behind it; what comes now is let through. */
  open(): Buffer {
    const rest = this.#kept;
    this.#kept = NOTHING;
    if (this.#state === 'http') this.#state = 'open';
    return rest;
  }

  /** The connection is gone; responses that had no turn yet say nothing of it. */
  close(): void {
    this.#count(-this.#waiting);
    this.#kept = NOTHING;
    this.#latest = null;
    this.#state = 'closed';
  }

  get #isInBody(): boolean {
    return this.#latest !== null && !this.#latest.complete;
  }

  /** Whether there is room for one more request, or the latest has not come whole. */
  get #mayRead(): boolean {
    if (this.#isInBody) return true;
    if (this.#waiting === 0) return true;
    return !this.#isUnheard && this.#waiting < MAX_WAITING && ahead < MAX_AHEAD;
  }

  #enqueue(): void {
    if (this.#isInRound) return;
    this.#isInRound = true;
    serveSoon(this);
  }

  /** What is kept goes on in a round; then it is the turn of what is in the kernel. */
  #proceed(): void {
    if (this.#state === 'closed') return;
    if (this.isHolding) {
      if (this.#mayRead && !this.#stream.isClogged()) this.#enqueue();
    } else if (this.#isEnded) {
      this.#isEnded = false;
      this.#stream.end();
    } else if (this.#isWanted && this.#mayRead) {
      this.#isWanted = false;
      this.#stream.resume();
    }
  }

  /** Give on what may be, up to `heads` of them. Returns what the last `pass` did. */
  #give(heads: number): boolean {
    // What is given on may ask for more.
    if (this.#isGiving) return true;
    this.#isGiving = true;
    let flows = true;
    let left = heads;
    try {
      while (this.isHolding && this.#state === 'http' && this.#mayRead) {
        if (this.#stream.isClogged()) return false;
        if (left === 0 && !this.#isInBody) break;
        const length = this.#nextLength();
        const portion = this.#kept.subarray(0, length);
        this.#kept = this.#kept.subarray(length);
        flows = this.#stream.pass(portion);
        if (this.#matched === 0) left = Math.max(left - 1, 0);
      }
    } finally {
      this.#isGiving = false;
    }
    return flows;
  }

  /** The length of the next portion. */
  #nextLength(): number {
    const kept = this.#kept;
    if (this.#isInBody && this.#bodyLeft > 0) {
      const length = Math.min(this.#bodyLeft, kept.byteLength);
      this.#bodyLeft -= length;
      return length;
    }
    const end = this.#endOfLine(kept);
    if (end === 0) {
      this.#matched = matchedAfter(kept, this.#matched);
      return kept.byteLength;
    }
    this.#matched = 0;
    this.#isUnheard = !this.#isInBody;
    return end;
  }

  /** Where the first empty line of `kept` ends, which may have begun before; 0 if there is none. */
  #endOfLine(kept: Buffer): number {
    if (this.#matched > 0) {
      const missing = EMPTY_LINE.subarray(this.#matched);
      if (kept.subarray(0, missing.length).equals(missing)) return missing.length;
    }
    const start = kept.indexOf(EMPTY_LINE);
    return start < 0 ? 0 : start + EMPTY_LINE.length;
  }

  #count(change: number): void {
    this.#waiting += change;
    if (this.#waiting === 0) this.#isUnheard = false;
    const own = Math.max(this.#waiting - 1, 0);
    ahead += own - this.#ahead;
    this.#ahead = own;
  }
}

/** How much of an empty line stands at the end of `bytes`, before which `matched` of one stood. */
function matchedAfter(bytes: Buffer, matched: number): number {
  const tail = bytes.subarray(-(EMPTY_LINE.length - 1));
  let count = tail.length < EMPTY_LINE.length - 1 ? matched : 0;
  for (const byte of tail) {
    if (byte === EMPTY_LINE[count]) count += 1;
    else count = byte === CARRIAGE_RETURN ? 1 : 0;
  }
  return count;
}
