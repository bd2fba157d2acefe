/**
 * Writes bytes to an fd that is a stream: a pipe, a FIFO, a terminal. It writes at once. Bytes that
 * the kernel does not take are queued in order, and the fd is watched for room only while bytes
 * wait.
 *
 * Each chunk is a write(2) of its own, never joined with others: a pipe in packet mode keeps the
 * bounds.
 */
import { types } from 'node:util';
import { EventEmitter } from 'eventemitter3';
import { z } from 'zod';
import { checkCallback, checkFd, invalidType, refuseExtra } from '../../base/check';
import { parseOptions } from '../../base/options';
import { isLent } from '../../bytes/lent-memory';
import { defaultLoop } from '../../loop/default-loop';
import { EventLoop } from '../../loop/event-loop';
import { errno, SystemError, unwrap } from '../../sys/errno';
import { setNonBlocking, write } from '../../sys/io';
import { closeOwned, orClose, own } from '../../sys/ownership';
import { FdWatcher } from '../fd-watcher';

const { EAGAIN, EFAULT, EINTR, EIO, ENOBUFS } = errno;

/** Options of {@link FdWriter}. */
export interface FdWriterOptions {
  /** Waiting bytes from which `write` returns false; 64 KiB if not given. */
  highWaterMark?: number;
  /** Waiting bytes beyond which the writer fails with ENOBUFS; 16 MiB if not given. */
  maxQueuedBytes?: number;
  /** The loop that watches; this thread's default loop if not given. */
  loop?: EventLoop | undefined;
}

/** The fields of {@link FdWriterOptions} for schemas. */
export const fdWriterOptionFields = {
  highWaterMark: z
    .int()
    .min(0)
    .default(64 * 1024),
  maxQueuedBytes: z
    .int()
    .min(0)
    .default(16 * 1024 * 1024),
  loop: z.instanceof(EventLoop).optional(),
};

const optionsSchema = z.strictObject(fdWriterOptionFields);

/** Events of an {@link FdWriter}. */
export interface FdWriterEvents {
  /** All bytes are written, after `write` had returned false. */
  drain: [];
  /**
   * A write failed: EPIPE when the reader is gone. `close` follows. Without a listener it is
   * uncaught.
   */
  error: [error: Error];
  /** The writer is closed, and its fd too; nothing follows. */
  close: [];
}

/**
 * Called once for a write, later: without an argument when the kernel has all bytes, or with the
 * error.
 */
export type FdWriteCallback = (error?: Error) => void;

interface Waiting {
  bytes: Uint8Array;
  /** The length of `bytes` when they had to wait. */
  length: number;
  readonly callback: FdWriteCallback | undefined;
}

/**
 * The maximum of waiting writes, however short: no other limit counts the memory beside their
 * bytes.
 */
const MAX_QUEUED_WRITES = 64 * 1024;
const LOST_BYTES = 'bytes that were queued have been detached or resized before they were written';

/** Writes to one fd. */
export class FdWriter extends EventEmitter<FdWriterEvents> {
  readonly #settings: z.output<typeof optionsSchema>;
  #fd: number;
  /** `ending`: `end` was called, the queue is being written. `failed`: closes at the next tick. */
  #state: 'open' | 'ending' | 'failed' | 'closed' = 'open';
  #queue: Waiting[] = [];
  #head = 0;
  #queuedBytes = 0;
  #drainWanted = false;
  /** Bytes the kernel has taken. */
  bytesWritten = 0;
  /** The time when it last took some, in milliseconds of `performance.now()`; 0 for never. */
  lastWrite = 0;
  /** Only while bytes wait. */
  #watcher: FdWatcher | null = null;
  #held = true;
  #failure: Error | null = null;

  /**
   * Takes `fd` over, and sets O_NONBLOCK on its description; stdout and stderr are not closed at the
   * end, see {@link closeOwned}. Throws EBADF, and a TypeError for a wrong option; `fd` is closed then
   * too.
   */
  constructor(fd: number, options: FdWriterOptions = {}) {
    super();
    checkFd(fd);
    this.#fd = own(fd);
    this.#settings = orClose(fd, () => prepare(fd, options));
  }

  /** The fd, which stays ours; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** Whether `write` takes bytes. */
  get writable(): boolean {
    return this.#state === 'open';
  }

  /** Bytes that wait for the kernel to take them. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Hold the process open while something waits; the default. */
  ref(): this {
    this.#held = true;
    this.#watcher?.ref();
    return this;
  }

  /** Do not hold the process open. */
  unref(): this {
    this.#held = false;
    this.#watcher?.unref();
    return this;
  }

  /**
   * Write `data`; a string as UTF-8. Waiting bytes are kept by reference: do not change them before
   * `callback`. Views that are lent for one call are copied. Does not block.
   *
   * Returns false when `highWaterMark` is reached (then wait for `drain`), and when the writer
   * takes no more data; the callback then gets an error.
   */
  write(data: string | Uint8Array, callback?: FdWriteCallback, noMore?: never): boolean {
    checkCallback(callback, noMore);
    if (typeof data !== 'string' && !types.isUint8Array(data)) {
      throw invalidType('data', 'a string, a Buffer or a Uint8Array', data);
    }
    if (!this.writable) {
      settle(callback, closedError());
      return false;
    }
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    const entry = { bytes, length: bytes.byteLength, callback };
    if (this.#isEmpty && this.#writeOut(entry)) return true;
    return this.#enqueue(entry);
  }

  /** Write `data` if given, then close when all is written. */
  end(data?: string | Uint8Array, noCallback?: never): void {
    refuseExtra('end', noCallback, 'give the callback to write');
    if (data !== undefined) this.write(data);
    if (!this.writable) return;
    this.#state = 'ending';
    if (this.#isEmpty) this.close();
  }

  /** Close now. Waiting bytes are not written; their callbacks get an error. */
  close(): void {
    this.#close(this.#failure ?? closedError());
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #isEmpty(): boolean {
    return this.#head === this.#queue.length;
  }

  /** Returns whether all of `entry` is written; the rest stays in it. */
  #writeOut(entry: Waiting): boolean {
    for (;;) {
      const count = write(this.#fd, entry.bytes);
      if (count === -EINTR) continue;
      if (count === -EAGAIN) return false;
      if (count < 0) {
        this.#failSoon(count);
        return false;
      }
      if (count > 0) {
        this.bytesWritten += count;
        this.lastWrite = performance.now();
      }
      if (count === entry.bytes.byteLength) {
        settle(entry.callback);
        return true;
      }
      entry.bytes = entry.bytes.subarray(count);
    }
  }

  #enqueue(entry: Waiting): boolean {
    if (isLent(entry.bytes)) entry.bytes = Buffer.from(entry.bytes);
    entry.length = entry.bytes.byteLength;
    this.#queue.push(entry);
    this.#queuedBytes += entry.length;
    // Its write has failed: its callback gets the error when the writer closes, with the others.
    if (!this.writable) return false;
    const { highWaterMark, maxQueuedBytes } = this.#settings;
    if (this.#queuedBytes > maxQueuedBytes) {
      const reason = `more than ${maxQueuedBytes} bytes are queued and not read`;
      this.#failSoon(-ENOBUFS, reason);
      return false;
    }
    if (this.#queue.length - this.#head > MAX_QUEUED_WRITES) {
      this.#failSoon(-ENOBUFS, `more than ${MAX_QUEUED_WRITES} writes are queued and not read`);
      return false;
    }
    this.#watch();
    if (this.#queuedBytes < highWaterMark) return true;
    this.#drainWanted = true;
    return false;
  }

  #watch(): void {
    if (this.#watcher !== null) return;
    const loop = this.#settings.loop ?? defaultLoop();
    this.#watcher = new FdWatcher(this.#fd, { writable: true, loop });
    this.#watcher.on('events', () => this.#flush());
    // The write in `events` has not found it: else the watcher would be closed by now.
    this.#watcher.on('hangup', () => this.#failSoon(-EIO, 'the other end is gone'));
    this.#watcher.on('error', () => this.#failSoon(-EIO, 'the other end is gone or failed'));
    if (!this.#held) this.#watcher.unref();
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #flush(): void {
    for (let first = this.#queue[this.#head]; first; first = this.#queue[this.#head]) {
      if (first.bytes.byteLength !== first.length) return this.#failSoon(-EFAULT, LOST_BYTES);
      const isWritten = this.#writeOut(first);
      if (this.#state === 'failed') return;
      const left = isWritten ? 0 : first.bytes.byteLength;
      this.#queuedBytes -= first.length - left;
      first.length = left;
      if (!isWritten) return;
      this.#shift();
    }
    this.#unwatch();
    if (this.#state === 'ending') return this.close();
    if (!this.#drainWanted) return;
    this.#drainWanted = false;
    this.emit('drain');
  }

  #shift(): void {
    this.#head += 1;
    if (this.#head < 1_024 && this.#head < this.#queue.length) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }

  /** Not at once: the caller is in the middle of a write, and expects no event yet. */
  #failSoon(outcome: number, reason?: string): void {
    if (this.#state === 'failed' || this.#state === 'closed') return;
    const detail = reason === undefined ? {} : { reason };
    const error = new SystemError('write', outcome, { ...detail, fd: this.#fd });
    this.#state = 'failed';
    this.#failure = error;
    this.#unwatch();
    process.nextTick(() => this.#fail(error));
  }

  #fail(error: Error): void {
    if (this.closed) return;
    let isHeard = true;
    try {
      isHeard = this.emit('error', error);
    } finally {
      this.#close(error);
    }
    if (!isHeard) throw error;
  }

  #close(reason: Error): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#unwatch();
    const fd = this.#fd;
    this.#fd = -1;
    const waiting = this.#queue.splice(this.#head);
    this.#queue = [];
    this.#head = 0;
    this.#queuedBytes = 0;
    for (const { callback } of waiting) settle(callback, reason);
    try {
      this.emit('close');
    } finally {
      unwrap(closeOwned(fd), 'close', { fd });
    }
  }
}

function prepare(fd: number, options: FdWriterOptions): z.output<typeof optionsSchema> {
  const settings = parseOptions('FdWriter', optionsSchema, options);
  unwrap(setNonBlocking(fd), 'fcntl', { fd });
  return settings;
}

/** Later, and in order: an exception of a callback cannot upset the queue. */
function settle(callback: FdWriteCallback | undefined, error?: Error): void {
  if (callback === undefined) return;
  if (error === undefined) process.nextTick(callback);
  else process.nextTick(callback, error);
}

function closedError(): Error {
  return Object.assign(new Error('the writer is closed'), { code: 'ERR_WRITER_CLOSED' });
}
