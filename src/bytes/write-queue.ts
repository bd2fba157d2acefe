/**
 * The data that the kernel did not take yet, in order: bytes, and ranges of files, with the callbacks that
 * wait for them. Connections and {@link FdWriter} have one only while something is queued.
 *
 * It does no I/O: it says what to send next, and is given the number of bytes that were sent. Callbacks
 * are called by {@link WriteQueue.settle} alone, when the counts are right already, so a callback may
 * write, send, end and destroy.
 */
import { IOV_MAX } from '../sys/vector';
import type { HeldRange } from './file-range';

/**
 * Called once for a write: without an argument when the kernel has all its bytes, or with the
 * error.
 */
export type WriteCallback = (error?: Error) => void;

/** The callback of a waiting write, and the time since which it waits, as of `performance.now()`. */
export interface Waiting {
  readonly since: number;
  readonly callback?: WriteCallback | undefined;
}

/** A write or a file range that waits. All have one shape, in a chain. */
class PendingWrite {
  next: PendingWrite | null = null;
  /** Null for a range of a file. */
  bytes: Uint8Array | null = null;
  range: HeldRange | null = null;
  length = 0;
  readonly since: number;
  readonly callback: WriteCallback | undefined;

  constructor({ since, callback }: Waiting) {
    this.since = since;
    this.callback = callback;
  }
}

/**
 * Chunks at least this long are sent from where they are; shorter ones are put together. A copy costs
 * 60 ns for 1 KiB and 350 for 8, one more iovec 120 (measured): they are even at 3 KiB.
 */
const COPY_BELOW = 4 * 1024;

/**
 * Writes and ranges of files that may wait; one more, and the owner fails. Each takes some 250 bytes
 * beside its own, which no limit of bytes counts: a peer that makes us answer with two bytes at a time,
 * and never reads, could otherwise cost a hundred times `maxQueuedBytes`.
 */
export const MAX_QUEUED_WRITES = 64 * 1024;

/** What {@link WriteQueue.collect} returns when the bytes that stand first are not there any more. */
export const LOST = -1;

/** A callback that throws must not upset the counts: its error is thrown in the next tick. */
function call(callback: WriteCallback | undefined, error?: Error): void {
  if (callback === undefined) return;
  try {
    if (error === undefined) callback();
    else callback(error);
  } catch (thrown) {
    process.nextTick(() => {
      throw thrown;
    });
  }
}

/** The queue of one connection, or of one fd. */
export class WriteQueue {
  #first: PendingWrite | null = null;
  #last: PendingWrite | null = null;
  /** Sent, and not called back yet: from here up to `#first`. */
  #unsettled: PendingWrite | null = null;
  #isSettling = false;
  #sent = 0;
  #bytes = 0;
  #fileBytes = 0;
  #count = 0;
  /** When the kernel last took bytes: the bytes behind them wait from then on. */
  #moved = 0;

  /** Bytes in memory that are queued. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of files that are queued; they take no memory. */
  get fileBytes(): number {
    return this.#fileBytes;
  }

  /** Writes and ranges that are queued, however short. */
  get count(): number {
    return this.#count;
  }

  /** Whether nothing is queued: no bytes, no range, and no callback of an empty write. */
  get empty(): boolean {
    return this.#first === null;
  }

  /** Whether callbacks are being called, by a {@link settle} that is not over. */
  get isSettling(): boolean {
    return this.#isSettling;
  }

  /**
   * Since when the queue stands still, in milliseconds of `performance.now()`: since the kernel last
   * took some of it, or since the first write was queued; Infinity if it is empty.
   */
  get waitingSince(): number {
    return this.#first === null ? Infinity : Math.max(this.#first.since, this.#moved);
  }

  /** Which limit is exceeded, as the beginning of a message; null for none. */
  excess(maxBytes: number): string | null {
    if (this.#bytes > maxBytes) return `more than ${maxBytes} bytes are queued`;
    if (this.#count <= MAX_QUEUED_WRITES) return null;
    return `more than ${MAX_QUEUED_WRITES} writes are queued`;
  }

  /** Queue `bytes` without copying them. */
  push(bytes: Uint8Array, waiting: Waiting): void {
    const pending = new PendingWrite(waiting);
    pending.bytes = bytes;
    pending.length = bytes.byteLength;
    this.#append(pending);
    this.#bytes += bytes.byteLength;
  }

  /** Queue a range of a file. */
  pushRange(range: HeldRange, waiting: Waiting): void {
    const pending = new PendingWrite(waiting);
    pending.range = range;
    pending.length = range.length;
    this.#append(pending);
    this.#fileBytes += range.length;
  }

  /** The range whose rest is next to send; null if bytes are next, or nothing. */
  get range(): HeldRange | null {
    return this.#first?.range ?? null;
  }

  /** Bytes of the first write that were sent already. */
  get sentOfFirst(): number {
    return this.#sent;
  }

  /**
   * The bytes to send next of the write that stands first, where each write is to stay one; null for a
   * range or an empty queue, {@link LOST} if their memory was detached or made shorter meanwhile.
   */
  get firstBytes(): Uint8Array | typeof LOST | null {
    if (this.#first === null || this.#first.bytes === null) return null;
    const { bytes, length } = this.#first;
    if (bytes.byteLength < length) return LOST;
    const isWhole = this.#sent === 0 && bytes.byteLength === length;
    return isWhole ? bytes : bytes.subarray(this.#sent, length);
  }

  /**
   * Put the bytes to send next into the empty list `parts`, in order: large chunks as they are, runs
   * of small ones put together in `scratch`. Stops at a file, when there are `limit` bytes or more,
   * at {@link IOV_MAX} parts, when `scratch` is full, and at bytes whose memory was detached or made
   * shorter meanwhile. Returns the bytes; 0 only if none stand first; {@link LOST}, with no parts, if
   * such bytes do.
   */
  collect(parts: Uint8Array[], scratch: Buffer, limit: number): number {
    let total = 0;
    let skip = this.#sent;
    let run = 0;
    let used = 0;
    let pending = this.#first;
    // One part stays free for the open run.
    for (
      ;
      pending !== null && total < limit && parts.length < IOV_MAX - 1;
      pending = pending.next
    ) {
      const { bytes, length } = pending;
      if (bytes === null) break;
      if (bytes.byteLength < length) {
        if (pending === this.#first) return LOST;
        break;
      }
      const rest = length - skip;
      // Up to the end that was written: a view may have grown with its memory.
      const isWhole = skip === 0 && bytes.byteLength === length;
      const part = isWhole ? bytes : bytes.subarray(skip, length);
      if (rest < COPY_BELOW) {
        if (used + rest > scratch.byteLength) break;
        scratch.set(part, used);
        used += rest;
      } else {
        if (used > run) parts.push(scratch.subarray(run, used));
        run = used;
        parts.push(part);
      }
      total += rest;
      skip = 0;
    }
    if (used > run) parts.push(scratch.subarray(run, used));
    return total;
  }

  /**
   * `count` bytes were sent at `now`, in milliseconds of `performance.now()`. The callbacks of the writes
   * that are complete are due: see {@link settle}.
   */
  sent(count: number, now: number): void {
    if (count > 0) this.#moved = now;
    let left = count;
    let first = this.#first;
    this.#unsettled ??= first;
    while (first !== null) {
      const part = Math.min(first.length - this.#sent, left);
      if (first.bytes === null) this.#fileBytes -= part;
      else this.#bytes -= part;
      left -= part;
      this.#sent += part;
      if (this.#sent < first.length) break;
      this.#sent = 0;
      this.#count -= 1;
      first = first.next;
    }
    this.#first = first;
  }

  /** Call the callbacks that are due, in order. Does nothing inside one of them. */
  settle(): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.#settleSent();
    this.#isSettling = false;
  }

  /** Give up: the callbacks that are due are called, and every other one gets `error`. */
  fail(error: Error): void {
    this.#settleSent();
    let failed = this.#first;
    this.#first = null;
    this.#last = null;
    this.#sent = 0;
    this.#bytes = 0;
    this.#fileBytes = 0;
    this.#count = 0;
    for (; failed !== null; failed = failed.next) call(failed.callback, error);
  }

  #append(pending: PendingWrite): void {
    // Also behind one that is sent and not called back yet: the chain is never cut.
    if (this.#last !== null) this.#last.next = pending;
    this.#first ??= pending;
    this.#last = pending;
    this.#count += 1;
  }

  #settleSent(): void {
    while (this.#unsettled !== null && this.#unsettled !== this.#first) {
      const { callback, next } = this.#unsettled;
      this.#unsettled = next;
      call(callback);
    }
    this.#unsettled = null;
    if (this.#first === null) this.#last = null;
  }
}
