/**
 * How far one connection may ask ahead of its answers.
 *
 * A parser of HTTP makes a request and a response of each 33 bytes it is given, 4 KiB for both, and
 * node:http parses all of a chunk before it looks how many wait. So what a client sends is given on in
 * portions, each of one head at most, and none while enough answers wait: the rest stays here, at
 * most one read(2) or one TLS record's worth, and behind it in the kernel, whose window stops the client.
 *
 * Nothing is parsed here. A head ends with an empty line, so bytes with so many empty lines hold no
 * more heads than that; an empty line in a body makes one portion more, and no difference. The length
 * of a body is what its request says, and is given on as it comes.
 *
 * Mostly a chunk is one small request of a client that waits for its answer: it has one empty line, and
 * is given on as it is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { endOfEmptyLine, endOfStarted, matchedAfter } from './empty-line';
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

/** A chunk that is longer may be given on in parts: looking through its body would cost more. */
const SHORT_BYTES = 4 * 1024;

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
  /** All that was asked is answered: an idle connection should hold no request and no answer. */
  onAnswered?(): void;
}

/** Requests that wait behind others, on all connections of this thread. */
let ahead = 0;

/** One connection's. */
export class RequestGate implements Served {
  readonly #stream: GateStream;
  /** The bytes that came and were not given on. */
  #kept: Buffer = NOTHING;
  /** How the bytes given on end: 1 for the end of a line, 2 if a CR is behind it. */
  #matched = 0;
  /** Bytes to come of a body whose length is known. */
  #bodyLeft = 0;
  #latest: IncomingMessage | null = null;
  /** The answer to it. */
  #response: ServerResponse | null = null;
  #waiting = 0;
  /** The share of `ahead` that this connection has. */
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
  /** `open`: all is let through. `failed`: the bytes are no request, and nothing is. */
  #state: 'http' | 'open' | 'failed' | 'closed' = 'http';
  /** When it has failed: called after the answers to what came before. */
  #afterAnswers: (() => void) | null = null;
  readonly #onAnswered = (): void => {
    if (this.#state === 'closed' || this.#waiting === 0) return;
    this.#count(-1);
    if (this.#waiting === 0) this.#forget();
    if (this.#state === 'failed') return this.#finish();
    if (this.#waiting <= RESUME_AT) this.#proceed();
  };

  constructor(stream: GateStream) {
    this.#stream = stream;
  }

  /** Whether bytes wait here. */
  get isHolding(): boolean {
    return this.#kept.length > 0;
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
    const flows = this.#isFree(chunk) ? this.#giveOne(chunk) : this.#queue(chunk);
    if (this.isHolding && this.#mayRead()) this.#enqueue();
    if (flows && !this.isHolding && this.#mayRead()) return true;
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
    // Emitted once by node:http: `once` would make two objects of each.
    response.on('close', this.#onAnswered);
  }

  /** HTTP is over. Returns the bytes behind it; later ones are let through. */
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
    if (this.#state !== 'http' || this.#owed() <= 0) return false;
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

  // Methods, because V8 calls its runtime for each read of a private getter.
  #isInBody(): boolean {
    return this.#latest !== null && !this.#latest.complete;
  }

  /** Answers to what came whole: the rest of a request that did not will never come. */
  #owed(): number {
    return this.#isInBody() ? this.#waiting - 1 : this.#waiting;
  }

  #finish(): void {
    if (this.#owed() > 0) return;
    const callback = this.#afterAnswers;
    this.#afterAnswers = null;
    callback?.();
  }

  /** Hold what was answered no longer, unless more of its request is to come. */
  #forget(): void {
    if (this.#isInBody()) return;
    this.#latest = null;
    this.#response = null;
    this.#stream.onAnswered?.();
  }

  /** Whether the answer before is still to be made; not if only its last bytes are on their way. */
  #isBehind(): boolean {
    return this.#waiting > 1 || (this.#waiting === 1 && this.#response?.writableEnded !== true);
  }

  /** Whether what is kept may be more than one request: it has two empty lines. */
  #isPipeline(): boolean {
    const first = endOfEmptyLine(this.#kept, 0);
    return first > 0 && endOfEmptyLine(this.#kept, first) > 0;
  }

  /** Whether there is room for one more request, or the latest has not come whole. */
  #mayRead(): boolean {
    if (this.#isInBody()) return true;
    if (this.#waiting === 0) return true;
    return !this.#isUnheard && this.#waiting < MAX_WAITING && ahead < MAX_AHEAD;
  }

  #enqueue(): void {
    if (this.#isInRound) return;
    this.#isInRound = true;
    this.#stream.onAhead();
    serveSoon(this);
  }

  /** Whether `chunk` can be given on as it is: it is short, and nothing waits before it. */
  #isFree(chunk: Buffer): boolean {
    if (this.#waiting > 0 || this.isHolding || chunk.length > SHORT_BYTES) return false;
    return !this.#isInBody() && !this.#isGiving && !this.#stream.isClogged();
  }

  /** Give `chunk` on, unless it may be more than one request. Returns what `pass` does. */
  #giveOne(chunk: Buffer): boolean {
    const head = endOfStarted(chunk, this.#matched);
    const rest = chunk.length - head;
    if (head > 0 && rest > 0 && endOfEmptyLine(chunk, head) > 0) return this.#queue(chunk);
    this.#matched = rest === 0 ? 0 : matchedAfter(chunk, this.#matched);
    this.#isUnheard = head > 0;
    this.#isGiving = true;
    try {
      return this.#stream.pass(chunk);
    } finally {
      this.#isGiving = false;
      if (this.#isInBody()) {
        this.#bodyLeft = Math.max(this.#bodyLeft - rest, 0);
        this.#matched = 0;
      }
    }
  }

  /** Put `chunk` behind what is kept, and give on what may be. Returns whether to read on. */
  #queue(chunk: Buffer): boolean {
    const wasHolding = this.isHolding;
    this.#kept = wasHolding ? Buffer.concat([this.#kept, chunk]) : chunk;
    const isAhead = wasHolding || (!this.#isInBody() && (this.#isBehind() || this.#isPipeline()));
    return isAhead || this.#give(1);
  }

  /** The kept bytes go on in a round; then those in the kernel have their turn. */
  #proceed(): void {
    if (this.#state === 'closed' || this.#state === 'failed') return;
    if (this.isHolding) {
      if (this.#mayRead() && !this.#stream.isClogged()) this.#enqueue();
    } else if (this.#isEnded) {
      this.#isEnded = false;
      this.#stream.end();
    } else if (this.#isWanted && this.#mayRead()) {
      this.#isWanted = false;
      this.#stream.resume();
    }
  }

  /** Give on what may be, up to `heads` of them. Returns what the last `pass` did. */
  #give(heads: number): boolean {
    // The bytes given on may ask for more.
    if (this.#isGiving) return true;
    this.#isGiving = true;
    let flows = true;
    let left = heads;
    try {
      while (this.isHolding && this.#state === 'http' && this.#mayRead()) {
        if (this.#stream.isClogged()) return false;
        if (left === 0 && !this.#isInBody()) break;
        const body = this.#isInBody() ? this.#bodyLeft : 0;
        if (body > 0) {
          flows = this.#giveBody(body);
        } else {
          const heard = this.#heard;
          flows = this.#giveHeads(this.#waiting === 0 ? left : 1);
          if (this.#matched === 0) left = Math.max(left - Math.max(this.#heard - heard, 1), 0);
        }
      }
    } finally {
      this.#isGiving = false;
    }
    return flows;
  }

  /** Give on what has come of the next `bytes`, which are those of a body. */
  #giveBody(bytes: number): boolean {
    const length = Math.min(bytes, this.#kept.length);
    this.#bodyLeft -= length;
    return this.#stream.pass(this.#takeOff(length));
  }

  /** Give on up to the end of as many heads as `most` and the limits allow, or all if there is none. */
  #giveHeads(most: number): boolean {
    const kept = this.#kept;
    const first = endOfStarted(kept, this.#matched);
    if (first === 0) {
      this.#matched = matchedAfter(kept, this.#matched);
      return this.#stream.pass(this.#takeOff(kept.length));
    }
    const end = this.#isInBody()
      ? first
      : endOfHeads(kept, first, Math.min(most, MAX_AHEAD - ahead));
    this.#matched = 0;
    this.#isUnheard = !this.#isInBody();
    const flows = this.#stream.pass(this.#takeOff(end));
    // Of several empty lines, it is not known which one ended the latest head: the others are in its body.
    if (end > first) this.#bodyLeft = 0;
    return flows;
  }

  /** Take the first `length` bytes of what is kept. */
  #takeOff(length: number): Buffer {
    const kept = this.#kept;
    this.#kept = length === kept.length ? NOTHING : kept.subarray(length);
    return length === kept.length ? kept : kept.subarray(0, length);
  }

  #count(change: number): void {
    this.#waiting += change;
    if (this.#waiting === 0) this.#isUnheard = false;
    const own = Math.max(this.#waiting - 1, 0);
    ahead += own - this.#ahead;
    this.#ahead = own;
  }
}

/** Where the last of `most` empty lines of `bytes` ends, or of as many as there are; the first one ends at `first`. */
function endOfHeads(bytes: Buffer, first: number, most: number): number {
  let end = first;
  for (let count = 1; count < most; count += 1) {
    const next = endOfEmptyLine(bytes, end);
    if (next === 0) break;
    end = next;
  }
  return end;
}
