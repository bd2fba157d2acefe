/**
 * The base that an {@link FdDuplex} runs on: bytes that come and go. There are two kinds: a connection
 * ({@link StreamConnection}), and plain fds ({@link FdChannel}). The stream knows neither.
 */
import type { FileRange } from '../../bytes/file-range';
import type { WriteCallback } from '../../bytes/write-queue';
import type { EventLoop } from '../../loop/event-loop';

/** Bytes in both directions. A handler gets those that arrive; each kind names it in its own way. */
export interface ByteChannel {
  readonly loop: EventLoop;
  readonly closed: boolean;
  /** Bytes read and delivered. */
  readonly bytesRead: number;
  /** Bytes the kernel has taken. */
  readonly bytesWritten: number;
  /** When bytes last moved in either direction, in milliseconds of `performance.now()`. */
  readonly lastActivity: number;
  /** Bytes that may wait; more end the channel. */
  readonly maxQueuedBytes: number;

  /** Leave what comes in the kernel. */
  pause(): void;
  /** Deliver (again). */
  resume(): void;
  /** Whether bytes or the end will be delivered with the next turn. */
  hasUnread(): boolean;

  /** Write `data`, which must not change before `callback` is called: once, later. */
  write(data: Uint8Array, callback?: WriteCallback): unknown;
  /** Whether {@link writeLent} may be called: nothing waits that must go first. */
  readonly canSendNow: boolean;
  /** Write `length` bytes of memory that is used again after the call. */
  writeLent(bytes: Uint8Array, length: number, callback: WriteCallback): void;
  /** Send a range of the file `fd`; only where the kernel can do it. */
  sendFile?(fd: number, range: FileRange, callback?: WriteCallback): unknown;
  /** Put the writes up to {@link uncork} together, where no bounds are to be kept. */
  cork(): void;
  uncork(): void;
  /** Whether some of what waits will be written with the next turn. */
  canFlushNow(): boolean;
  /** End the half that writes, after all that was written. */
  end(): void;

  /** Close now. Waiting bytes are lost; their callbacks get an error. */
  destroy(error?: Error): void;
  /** Hold the process open; the default. */
  ref(): void;
  /** Do not hold the process open. */
  unref(): void;
}
