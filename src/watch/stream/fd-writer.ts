/**
 * Writes bytes to an fd that is a stream: a pipe, a FIFO, a terminal. It writes at once; what the
 * kernel does not take is kept in a {@link WriteQueue}, by the rules of connections, and the fd is
 * watched for room only while something waits.
 *
 * Each chunk is a write(2) of its own, never joined with others: a pipe in packet mode keeps the
 * bounds.
 */
import { EventEmitter } from 'eventemitter3';
import { z } from 'zod';
import { checkFd, refuseExtra } from '../../base/check';
import { bytesLost, writerClosed } from '../../base/errors';
import { parseOptions } from '../../base/options';
import { reportFailure } from '../../base/unheard';
import { isLent } from '../../bytes/lent-memory';
import { callbackOf, checkedData, type WriteExtra } from '../../bytes/write-arguments';
import { LOST, type WriteCallback, WriteQueue } from '../../bytes/write-queue';
import { defaultLoop } from '../../loop/default-loop';
import { EventLoop } from '../../loop/event-loop';
import { errno, SystemError, unwrap } from '../../sys/errno';
import { setNonBlocking, write } from '../../sys/io';
import { closeOnThrow, closeOwned, own } from '../../sys/ownership';
import { FdWatcher } from '../fd-watcher';

const { EAGAIN, EINTR, EIO, ENOBUFS } = errno;

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

/** See {@link FdWriter.write}. */
export type FdWriteCallback = WriteCallback;

/**
 * `open`: writes are taken. `ending`: `end` was called, the queue is being written. `failed`: a write
 * failed, the writer closes at the next tick. `closed`: the fd is closed, or about to be.
 */
type WriterState = 'open' | 'ending' | 'failed' | 'closed';

/** Writes to one fd. An emitter of eventemitter3: `instanceof` the EventEmitter of node:events is false. */
export class FdWriter extends EventEmitter<FdWriterEvents> {
  readonly #settings: z.output<typeof optionsSchema>;
  #fd: number;
  #state: WriterState = 'open';
  #queue = new WriteQueue();
  #drainOwed = false;
  #bytesWritten = 0;
  #lastWrite = 0;
  /** Only while something waits. */
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
    this.#settings = closeOnThrow(fd, () => prepare(fd, options));
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
    return this.#queue.bytes;
  }

  /** Bytes the kernel has taken. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** When it last took some, in milliseconds of `performance.now()`; 0 for never. */
  get lastWrite(): number {
    return this.#lastWrite;
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
   * Write `data`; a string as the encoding says, UTF-8 if none is given: `write(data)`,
   * `write(data, callback)`, `write(data, encoding)` or `write(data, encoding, callback)`. Bytes that
   * must wait are kept by reference: do not change them before `callback`. Views that are given out for
   * the time of a call are copied. Does not block. A wrong argument throws before anything is written.
   *
   * Returns false when `highWaterMark` is reached (then wait for `drain`), and when the writer takes
   * nothing any more. `callback` is called once, later: with nothing when the kernel has all bytes, or
   * with the error.
   */
  write(data: string | Uint8Array, extra?: WriteExtra, last?: WriteCallback): boolean {
    const callback = callbackOf(extra, last);
    const checked = checkedData(data, extra);
    if (!this.writable) {
      if (callback !== undefined) process.nextTick(callback, writerClosed());
      return false;
    }
    const bytes = typeof checked === 'string' ? Buffer.from(checked) : checked;
    if (!this.#queue.empty) return this.#enqueue(bytes, callback);
    const count = this.#writeOut(bytes);
    const isDone = count === bytes.byteLength && this.writable;
    if (!isDone) return this.#enqueue(bytes.subarray(count), callback);
    if (callback !== undefined) process.nextTick(callback);
    return true;
  }

  /** Write `data` if given, then close when all is written. */
  end(data?: string | Uint8Array, noCallback?: never): void {
    refuseExtra('end', noCallback, 'give the callback to write');
    if (data !== undefined) this.write(data);
    if (!this.writable) return;
    this.#state = 'ending';
    if (this.#queue.empty) this.close();
  }

  /** Close now. Waiting bytes are not written; their callbacks get an error. */
  close(): void {
    this.#close(this.#failure ?? writerClosed());
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Returns how many of `bytes` the kernel has taken: not all, if it is full or has failed. */
  #writeOut(bytes: Uint8Array): number {
    let taken = 0;
    for (;;) {
      const count = write(this.#fd, taken === 0 ? bytes : bytes.subarray(taken));
      if (count === -EINTR) continue;
      if (count < 0) {
        if (count !== -EAGAIN) this.#failSoon(new SystemError('write', count, { fd: this.#fd }));
        return taken;
      }
      taken += count;
      if (count > 0) {
        this.#bytesWritten += count;
        this.#lastWrite = performance.now();
      }
      if (taken >= bytes.byteLength) return taken;
    }
  }

  /** If its write has failed already, its callback is called when the writer closes, as the others. */
  #enqueue(bytes: Uint8Array, callback: WriteCallback | undefined): boolean {
    const since = performance.now();
    this.#queue.push(isLent(bytes) ? Buffer.from(bytes) : bytes, { since, callback });
    if (!this.writable) return false;
    const { highWaterMark, maxQueuedBytes } = this.#settings;
    const excess = this.#queue.excess(maxQueuedBytes);
    if (excess !== null) {
      const reason = `${excess}, the other end does not read`;
      this.#failSoon(new SystemError('write', ENOBUFS, { reason, fd: this.#fd }));
      return false;
    }
    this.#watch();
    if (this.#queue.bytes < highWaterMark) return true;
    this.#drainOwed = true;
    return false;
  }

  #watch(): void {
    if (this.#watcher !== null) return;
    const loop = this.#settings.loop ?? defaultLoop();
    this.#watcher = new FdWatcher(this.#fd, { writable: true, loop });
    this.#watcher.on('events', () => this.#flush());
    // The write in `events` has not reported it: else the watcher would be closed by now.
    const fail = (reason: string): void =>
      this.#failSoon(new SystemError('write', EIO, { reason, fd: this.#fd }));
    this.#watcher.on('hangup', () => fail('the other end is gone'));
    this.#watcher.on('error', () => fail('the other end is gone or failed'));
    if (!this.#held) this.#watcher.unref();
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #flush(): void {
    const queue = this.#queue;
    for (let bytes = queue.firstBytes; bytes !== null; bytes = queue.firstBytes) {
      if (bytes === LOST) {
        this.#failSoon(bytesLost(this.#fd));
        break;
      }
      const count = this.#writeOut(bytes);
      if (this.#state === 'failed') break;
      queue.sent(count, this.#lastWrite);
      if (count < bytes.byteLength) break;
    }
    queue.settle();
    this.#afterWrite();
  }

  /** The steps that follow once the queue is empty, unless a callback has closed the writer. */
  #afterWrite(): void {
    if (!this.#queue.empty || this.#state === 'failed' || this.#state === 'closed') return;
    this.#unwatch();
    if (this.#state === 'ending') return this.close();
    if (!this.#drainOwed) return;
    this.#drainOwed = false;
    this.emit('drain');
  }

  /** Not at once: the caller is in the middle of a write, and expects no event yet. */
  #failSoon(error: Error): void {
    if (this.#state === 'failed' || this.#state === 'closed') return;
    this.#state = 'failed';
    this.#failure = error;
    this.#unwatch();
    process.nextTick(() => this.#fail(error));
  }

  #fail(error: Error): void {
    if (this.closed) return;
    reportFailure(this, error);
    this.#close(error);
  }

  #close(reason: Error): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#unwatch();
    const fd = this.#fd;
    this.#fd = -1;
    const queue = this.#queue;
    this.#queue = new WriteQueue();
    // Behind the callbacks of writes that were done at once, which wait for the next tick too.
    if (!queue.empty) process.nextTick(() => queue.fail(reason));
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
