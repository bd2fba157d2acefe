/**
 * The writing half of a connection: send at once, queue the rest, gather the small.
 *
 * A base class rather than a part, because a part would cost every idle connection an object. What
 * it leaves to {@link TcpConnection}: the epoll mask, the deadlines, and closing.
 */
import { types } from 'node:util';
import { EventEmitter } from 'eventemitter3';
import { checkCallback, invalidType } from '../../base/check';
import { connectionClosed } from '../../base/errors';
import { type FileRange, holdRange } from '../../bytes/file-range';
import { isLent } from '../../bytes/lent-memory';
import { type WriteCallback, WriteQueue } from '../../bytes/write-queue';
import { SHUT_WR } from '../../sys/constants';
import { errno, SystemError, unwrap } from '../../sys/errno';
import { shutdown } from '../../sys/socket';
import type { TcpConnectionEvents } from './handler';
import type { ConnectionSettings } from './options';
import { FULL, lostBytesError, sendBytes, sendQueued } from './send';

const { isUint8Array } = types;
const { ENOBUFS, ENOTCONN } = errno;

/**
 * `open`: writes are taken. `finishing`: `end` was called, the queue is being sent. `finished`: our
 * FIN is on its way, or the connection is closed. `failed`: a write failed, and the connection
 * closes at the next tick.
 */
type WriteState = 'open' | 'finishing' | 'finished' | 'failed';

/** A body up to this size is copied behind its head; a longer one is sent from where it is. */
const COPY_LIMIT = 16 * 1024;

/**
 * Writes and ranges of files that may wait; one more, and the connection is cut. Each takes some 250
 * bytes beside its own, for which `maxQueuedBytes` does not account: a peer that makes us answer with
 * two bytes at a time, and never reads, could otherwise have a hundred times that limit.
 */
export const MAX_QUEUED_WRITES = 64 * 1024;

/** Sends bytes to a non-blocking stream socket. */
export abstract class ConnectionWriter extends EventEmitter<TcpConnectionEvents> {
  // The fields that every message touches stand first, and so in as few cache lines as can be.
  protected readonly settings: ConnectionSettings<unknown>;
  #fd: number;
  #state: WriteState = 'open';
  /** Only while something is queued. */
  #queue: WriteQueue | null = null;
  #corks = 0;
  /** Bytes the kernel has taken. */
  bytesWritten = 0;
  /** When bytes last moved in either direction, in whole milliseconds of `performance.now()`. */
  lastActivity: number;
  #drainWanted = false;

  protected constructor(fd: number, settings: ConnectionSettings<unknown>) {
    super();
    this.settings = settings;
    this.#fd = fd;
    this.lastActivity = settings.loop.now;
  }

  /** The fd, or -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  /** Whether `write` takes bytes. */
  get writable(): boolean {
    return this.#state === 'open';
  }

  /** Bytes in memory that wait for the kernel to take them. */
  get queuedBytes(): number {
    return this.#queue?.bytes ?? 0;
  }

  /** Bytes of files that wait for the kernel to take them. */
  get queuedFileBytes(): number {
    return this.#queue?.fileBytes ?? 0;
  }

  /** Queued bytes beyond which the connection is cut. */
  get maxQueuedBytes(): number {
    return this.settings.maxQueuedBytes;
  }

  /**
   * Send `data`; a string as UTF-8. Bytes that must wait are kept by reference: do not change them
   * before `callback`. Views given out for the time of a call are the exception, they are copied.
   *
   * Returns false when the queue has reached `highWaterMark` (then wait for `drain`), and when the
   * connection takes nothing any more. `callback` is called once, later: with nothing when the
   * kernel has the bytes, or with the error.
   */
  write(data: string | Uint8Array, callback?: WriteCallback, noMore?: never): boolean {
    if (callback !== undefined || noMore !== undefined) checkCallback(callback, noMore);
    if (typeof data !== 'string' && !isUint8Array(data)) {
      throw invalidType('data', 'a string, a Buffer or a Uint8Array', data);
    }
    if (this.#gathering) {
      if (callback === undefined && this.settings.buffers.gather.add(data)) return true;
      this.flushGathered();
    }
    if (!this.writable) return this.#refuse(callback);
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (this.hasQueued || this.#corks > 0) return this.#enqueue(bytes, callback);
    return this.#send(bytes, bytes.byteLength, callback);
  }

  /**
   * As {@link write} with `head` before `body`, which go out together. `head` is copied, so that one
   * buffer can serve for the heads of all messages.
   */
  writePair(head: Uint8Array, body: Uint8Array, callback?: WriteCallback): boolean {
    const { gather } = this.settings.buffers;
    if (callback === undefined && this.#gathering && gather.addPair(head, body)) return true;
    if (body.byteLength <= COPY_LIMIT) return this.write(Buffer.concat([head, body]), callback);
    this.cork();
    this.write(Buffer.from(head));
    const flowing = this.write(body, callback);
    this.uncork();
    return flowing || !this.hasQueued;
  }

  /** Whether a write would be tried at once. */
  get canSendNow(): boolean {
    return this.writable && this.#corks === 0 && !this.hasQueued;
  }

  /**
   * Send the first `length` bytes of `bytes`, memory that is {@link lend lent}, if {@link canSendNow}.
   * What the kernel does not take is copied.
   */
  writeLent(bytes: Uint8Array, length: number, callback: WriteCallback): void {
    this.flushGathered();
    this.#send(bytes, length, callback);
  }

  /**
   * Send bytes `offset` to `offset + length` of the regular file `fd`, in order with the writes and
   * without a copy through JavaScript. The fd is borrowed until `callback`, which is called once,
   * later: with nothing when the kernel has the bytes, or with the error. Its position never moves.
   *
   * Returns true if the kernel has the whole range already; else false, and `drain` follows. A range
   * takes no memory, so it does not count for `highWaterMark` and `maxQueuedBytes`; for the write
   * deadline it does.
   *
   * A file that ends before the range does (it became shorter) closes the connection with the code
   * ERR_FILE_TRUNCATED, and one that cannot be read, or was closed too early, with the error of
   * sendfile(2); all by a reset, so that no peer takes a part for the whole. Throws a {@link SystemError}, with nothing changed:
   * EBADF (not open), EINVAL (not a regular file). May wait for the disk, but not for the peer.
   */
  sendFile(fd: number, range: FileRange, callback?: WriteCallback): boolean {
    const held = holdRange(fd, range);
    this.flushGathered();
    if (!this.writable) return this.#refuse(callback);
    let isCalling = true;
    const later = (error?: Error): void => {
      if (!isCalling) callback?.(error);
      else if (callback !== undefined) process.nextTick(callback, error);
    };
    this.#queue ??= new WriteQueue();
    const isFirst = this.#queue.empty;
    this.#queue.pushRange(held, { since: performance.now(), callback: later });
    if (this.#queue.count > MAX_QUEUED_WRITES) return this.#overflow(`${MAX_QUEUED_WRITES} writes`);
    if (isFirst) this.#start();
    isCalling = false;
    if (!this.hasQueued) return true;
    this.#drainWanted = true;
    return false;
  }

  /** Queue all writes until the matching {@link uncork}, to send them together. Calls nest. */
  cork(): void {
    this.flushGathered();
    this.#corks += 1;
  }

  /** Undo one {@link cork}; the last one sends. */
  uncork(): void {
    if (this.#corks === 0) return;
    this.#corks -= 1;
    if (this.#corks === 0) this.#start();
  }

  /**
   * Send `data` if given, then our FIN after all that is queued. The peer may still send, and the
   * connection stays open until it ends its half too. `callback` as of {@link write}.
   */
  end(data?: string | Uint8Array, callback?: WriteCallback): void {
    if (data !== undefined || callback !== undefined) this.write(data ?? '', callback);
    this.flushGathered();
    if (!this.writable) return;
    this.#state = 'finishing';
    this.#corks = 0;
    if (this.hasQueued) this.#start();
    else this.#finish();
  }

  /** Whether EPOLLOUT is needed. */
  protected get hasQueued(): boolean {
    return this.#queue !== null && !this.#queue.empty;
  }

  /** As {@link hasQueued}, but not while corked: then there is nothing to be told. */
  protected get wantsWritable(): boolean {
    return this.hasQueued && this.#corks === 0;
  }

  /** Whether our FIN was sent. */
  protected get finished(): boolean {
    return this.#state === 'finished';
  }

  /** Whether a write failed, and the connection closes with its error at the next tick. */
  protected get failed(): boolean {
    return this.#state === 'failed';
  }

  /** Since when the kernel has taken nothing of the queue; Infinity if it is empty. */
  get waitingSince(): number {
    return this.#queue?.waitingSince ?? Infinity;
  }

  /** The queue began, ended, or is being sent: the epoll mask and the deadline may have to change. */
  protected abstract onQueueChange(): void;

  /** The kernel would take more from the queue, but it is the others' turn. */
  protected abstract onTurnSpent(): void;

  /** The queue is empty after `write` had returned false. */
  protected abstract onDrained(): void;

  /** Our FIN was sent. */
  protected abstract onFinished(): void;

  /** Close, with the reason. */
  abstract destroy(error?: Error): void;

  /** Send from the queue until it is empty, the kernel takes no more, or the turn is over. */
  protected flush(): void {
    const queue = this.#queue;
    // A callback that makes us come here again leaves the rest to the flush that called it.
    if (queue === null || queue.isSettling || this.#corks > 0 || this.#state === 'failed') return;
    const { loop, writeQuantumBytes } = this.settings;
    let left = writeQuantumBytes;
    while (!queue.empty && !this.closed && left > 0 && this.#corks === 0) {
      const count = sendQueued(this.#fd, queue, left);
      if (count instanceof Error) return this.#failSoon(count);
      if (count === FULL) break;
      left -= count;
      this.bytesWritten += count;
      this.lastActivity = loop.now;
      queue.sent(count, loop.now);
    }
    if (this.closed) return;
    if (queue.empty) return this.#onEmpty();
    this.onQueueChange();
    if (left <= 0) this.onTurnSpent();
  }

  /** Send what the handling of this connection's events has gathered. */
  protected flushGathered(): void {
    const { gather } = this.settings.buffers;
    const length = gather.bytes;
    if (length === 0 || !gather.isOf(this)) return;
    const bytes = gather.take();
    if (bytes.byteLength < length) this.#failSoon(lostBytesError(this.#fd));
    else this.#send(bytes, length, undefined);
  }

  /** Give up the fd, and fail what is queued. The caller closes it. */
  protected abandon(error: Error): void {
    const { gather } = this.settings.buffers;
    if (gather.isOf(this)) gather.drop();
    this.#fd = -1;
    this.#state = 'finished';
    const queue = this.#queue;
    this.#queue = null;
    queue?.fail(error);
  }

  /** Whether this connection's events are being handled, and its small writes put together. */
  get #gathering(): boolean {
    const { gather } = this.settings.buffers;
    return gather.isOf(this) && this.writable && this.#corks === 0 && !this.hasQueued;
  }

  #refuse(callback: WriteCallback | undefined): false {
    if (callback !== undefined) process.nextTick(callback, closedError());
    return false;
  }

  /** Send from the queue now, or when EPOLLOUT says so. */
  #start(): void {
    if (this.settings.sendsFirst && this.#corks === 0) this.flush();
    else this.onQueueChange();
  }

  /** The queue is empty: try at once, and queue what the kernel does not take. */
  #send(bytes: Uint8Array, length: number, callback: WriteCallback | undefined): boolean {
    if (!this.settings.sendsFirst) return this.#enqueue(bytes.subarray(0, length), callback);
    const count = sendBytes(this.#fd, bytes, length);
    if (count < 0 && count !== FULL) {
      const error = new SystemError('send', count, { fd: this.#fd });
      if (callback !== undefined) process.nextTick(callback, error);
      this.#failSoon(error);
      return false;
    }
    const taken = Math.max(count, 0);
    this.bytesWritten += taken;
    if (count !== FULL) this.lastActivity = this.settings.loop.now;
    if (taken < length) return this.#enqueue(bytes.subarray(taken, length), callback);
    if (callback !== undefined) process.nextTick(callback);
    return true;
  }

  #enqueue(bytes: Uint8Array, callback: WriteCallback | undefined): boolean {
    const { highWaterMark, maxQueuedBytes } = this.settings;
    this.#queue ??= new WriteQueue();
    const isFirst = this.#queue.empty;
    const kept = isLent(bytes) ? Buffer.from(bytes) : bytes;
    this.#queue.push(kept, { since: performance.now(), callback });
    if (this.#queue.bytes > maxQueuedBytes) return this.#overflow(`${maxQueuedBytes} bytes`);
    if (this.#queue.count > MAX_QUEUED_WRITES) return this.#overflow(`${MAX_QUEUED_WRITES} writes`);
    if (isFirst) this.onQueueChange();
    if (this.#queue.bytes < highWaterMark) return true;
    this.#drainWanted = true;
    return false;
  }

  /** More waits than may: cut the connection. */
  #overflow(limit: string): false {
    const reason = `more than ${limit} are queued, the peer does not read`;
    this.#failSoon(new SystemError('write', ENOBUFS, { reason, fd: this.#fd }));
    return false;
  }

  #onEmpty(): void {
    this.#queue = null;
    this.onQueueChange();
    if (this.#state === 'finishing') return this.#finish();
    if (!this.#drainWanted || !this.writable) return;
    this.#drainWanted = false;
    this.onDrained();
  }

  /** Everything is sent: our FIN. ENOTCONN means that the peer reset the connection meanwhile. */
  #finish(): void {
    this.#state = 'finished';
    const outcome = shutdown(this.#fd, SHUT_WR);
    if (outcome !== -ENOTCONN) unwrap(outcome, 'shutdown', { fd: this.#fd });
    this.onFinished();
  }

  /** Not at once: the caller is in the middle of a write, and expects no event yet. */
  #failSoon(error: Error): void {
    this.#state = 'failed';
    process.nextTick(() => this.destroy(error));
  }
}

/** What a write gets that came too late. */
export function closedError(): Error {
  return connectionClosed();
}
