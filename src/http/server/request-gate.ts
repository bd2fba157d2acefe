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
import { followAnswer, type Served, serveSoon } from './gate-rounds';

/** Requests of one connection that may wait for their answers; then no more are read. */
export const MAX_WAITING = 16;
/**
 * Requests that may wait behind others, of all connections of this thread together, with some 4 KiB
 * each. One beyond it waits until the answers before it are sent; the first of a connection never.
 */
const MAX_AHEAD = 4_096;
/** With so many left, more are read: not for each answer. */
const RESUME_AT = MAX_WAITING / 2;

/** With the end of the line before it. */
const EMPTY_LINE = Buffer.from('\n\r\n');
/** As the parser takes it with `insecureHTTPParser`. */
const BARE_EMPTY_LINE = Buffer.from('\n\n');
const LINE_FEED = 10;
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
  /** The client asks ahead of its answers: called before each round that this has to wait for. */
  onAhead(): void;
}

/** Requests that wait behind others, on all connections of this thread. */
let ahead = 0;

/** One connection's. */
export class RequestGate implements Served {
  readonly #stream: GateStream;
  /** What came and was not given on. */
  #kept: Buffer = NOTHING;
  /** What stands at the end of what was given on: 1 for the end of a line, 2 if a CR is behind it. */
  #matched = 0;
  /** Bytes to come of a body whose length is known. */
  #bodyLeft = 0;
  #latest: IncomingMessage | null = null;
  /** The answer to it. */
  #response: ServerResponse | null = null;
  #waiting = 0;
  /** What this connection has of `ahead`. */
  #ahead = 0;
  /** Requests so far. */
  #heard = 0;
  /** A head was given on of which no request was heard: node:http refuses some by itself. */
  #isUnheard = false;
  /** The stream asked for more while there was none to have. */
  #isWanted = false;
  #isGiving = false;
  #isInRound = false;
  /** A round reads. */
  #isServed = false;
  /** No more will come, and the stream does not know yet. */
  #isEnded = false;
  /** `open`: all is let through. `failed`: what came is no request, and nothing is. */
  #state: 'http' | 'open' | 'failed' | 'closed' = 'http';
  /** When it has failed: called after the answers to what came before. */
  #afterAnswers: (() => void) | null = null;
  readonly #onAnswered = (): void => {
    if (this.#state === 'closed') return;
    this.#count(-1);
    if (this.#state === 'failed') return this.#finish();
    if (this.#waiting <= RESUME_AT) this.#proceed();
  };

  constructor(stream: GateStream) {
    this.#stream = stream;
  }

  /** Whether bytes wait here. */
  get isHolding(): boolean {
    return this.#kept.byteLength > 0;
  }

  /**
   * `chunk` came, which is the gate's own. Returns whether to read on. One who asks once is served at
   * once, and those who ask ahead after all others.
   */
  take(chunk: Buffer): boolean {
    if (this.#state === 'failed') {
      this.#stream.hold();
      return false;
    }
    if (this.#state !== 'http') return this.#stream.pass(chunk);
    const wasHolding = this.isHolding;
    this.#kept = wasHolding ? Buffer.concat([this.#kept, chunk]) : chunk;
    const isAhead = wasHolding || (!this.#isInBody && (this.#isBehind || this.#isPipeline));
    const flows = isAhead || this.#give(1);
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
  goOn(requests: number): number {
    this.#isInRound = false;
    const before = this.#heard;
    this.#isServed = true;
    try {
      if (this.isHolding) this.#give(Math.min(requests, MAX_WAITING));
    } finally {
      this.#isServed = false;
    }
    this.#proceed();
    return this.#heard - before;
  }

  /** A request came, of which `response` is the answer. */
  onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.#state !== 'http') return;
    this.#latest = request;
    this.#response = response;
    this.#heard += 1;
    if (this.#isServed) followAnswer(response);
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

  /**
   * node:http could not parse what it was given: it is given no more. Returns whether requests that came
   * whole are still to be answered; then `callback` is called when they were. A second time it is not.
   */
  fail(callback: () => void): boolean {
    if (this.#state === 'failed') return true;
    if (this.#state !== 'http' || this.#owed <= 0) return false;
    this.#state = 'failed';
    this.#kept = NOTHING;
    this.#afterAnswers = callback;
    return true;
  }

  /** The connection is gone; responses that had no turn yet say nothing of it. */
  close(): void {
    this.#count(-this.#waiting);
    this.#kept = NOTHING;
    this.#latest = null;
    this.#response = null;
    this.#afterAnswers = null;
    this.#state = 'closed';
  }

  get #isInBody(): boolean {
    return this.#latest !== null && !this.#latest.complete;
  }

  /** Answers to what came whole: the rest of a request that did not will never come. */
  get #owed(): number {
    return this.#isInBody ? this.#waiting - 1 : this.#waiting;
  }

  #finish(): void {
    if (this.#owed > 0) return;
    const callback = this.#afterAnswers;
    this.#afterAnswers = null;
    callback?.();
  }

  /** Whether the answer before is still to be made; not if only its last bytes are on their way. */
  get #isBehind(): boolean {
    return this.#waiting > 1 || (this.#waiting === 1 && this.#response?.writableEnded !== true);
  }

  /** Whether what is kept may be more than one request: it has two empty lines. */
  get #isPipeline(): boolean {
    const first = endOfEmptyLine(this.#kept, 0);
    return first > 0 && endOfEmptyLine(this.#kept, first) > 0;
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
    this.#stream.onAhead();
    serveSoon(this);
  }

  /** What is kept goes on in a round; then it is the turn of what is in the kernel. */
  #proceed(): void {
    if (this.#state === 'closed' || this.#state === 'failed') return;
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
    if (this.#matched > 0 && kept[0] === LINE_FEED) return 1;
    if (this.#matched === 1 && kept[0] === CARRIAGE_RETURN && kept[1] === LINE_FEED) return 2;
    return endOfEmptyLine(kept, 0);
  }

  #count(change: number): void {
    this.#waiting += change;
    if (this.#waiting === 0) this.#isUnheard = false;
    const own = Math.max(this.#waiting - 1, 0);
    ahead += own - this.#ahead;
    this.#ahead = own;
  }
}

/** Where the first empty line of `bytes` behind `start` ends; 0 if there is none. */
function endOfEmptyLine(bytes: Buffer, start: number): number {
  const strict = bytes.indexOf(EMPTY_LINE, start);
  const end = strict < 0 ? 0 : strict + EMPTY_LINE.length;
  const lenient = (end > 0 ? bytes.subarray(0, end) : bytes).indexOf(BARE_EMPTY_LINE, start);
  return lenient < 0 ? end : lenient + BARE_EMPTY_LINE.length;
}

/** How much of an empty line stands at the end of `bytes`, before which `matched` of one stood. */
function matchedAfter(bytes: Buffer, matched: number): number {
  const last = bytes.at(-1);
  if (last === LINE_FEED) return 1;
  if (last !== CARRIAGE_RETURN) return 0;
  const isBehindLine = bytes.byteLength > 1 ? bytes.at(-2) === LINE_FEED : matched === 1;
  return isBehindLine ? 2 : 0;
}
