/**
 * The channel of plain fds (a pipe, a terminal, a character device): made of an FdReader and an
 * FdWriter. A stream socket makes a connection, and is not for this class.
 */
import { outsideCallers } from '../../base/context';
import type { WriteCallback } from '../../bytes/write-queue';
import { defaultLoop } from '../../loop/default-loop';
import type { EventLoop } from '../../loop/event-loop';
import { F_DUPFD_CLOEXEC, POLLIN, POLLOUT, SHUT_WR } from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { fcntl } from '../../sys/io';
import { closeOwned, mayClose } from '../../sys/ownership';
import { shutdown } from '../../sys/socket';
import { FdReader } from '../../watch/stream/fd-reader';
import { FdWriter } from '../../watch/stream/fd-writer';
import { isReadyNow } from '../socket/readiness';
import type { ByteChannel } from './byte-channel';
import type { FdEnds } from './options';

/** The callbacks for the events of a channel. */
export interface FdChannelHandler {
  /** Bytes came; the Buffer is the handler's own. */
  onOwnBytes(chunk: Buffer): void;
  /** Nothing more will come. */
  onEnd(): void;
  /** The fds are closed after `error`; nothing follows. Not called after `destroy`. */
  onClose(channel: FdChannel, error: Error): void;
}

/** The fds, whether they are ours, and the loop and handler for them. */
export interface FdChannelSetup {
  ends: FdEnds;
  /** Close the fds at the end; else duplicates are worked with, and closed. */
  ownsFd: boolean;
  loop: EventLoop | undefined;
  handler: FdChannelHandler;
}

/** The most that one write may bring, and all that ever waits: the stream above keeps the rest. */
const MAX_QUEUED_BYTES = 1024 * 1024;

/** Bytes from one fd, and to another or the same. */
export class FdChannel implements ByteChannel {
  readonly loop: EventLoop;
  readonly maxQueuedBytes = MAX_QUEUED_BYTES;
  /** No: each chunk is a write(2) of its own, and kept by reference. */
  readonly canSendNow = false;
  #bytesRead = 0;
  /** When bytes were last read, or the opening. */
  #lastRead = performance.now();
  readonly #handler: FdChannelHandler;
  #reader: FdReader | null = null;
  #writer: FdWriter | null = null;
  #state: 'open' | 'closed' = 'open';
  #reading: 'paused' | 'flowing' = 'paused';
  readonly #onData = (chunk: Buffer): void => {
    this.#bytesRead += chunk.byteLength;
    this.#lastRead = performance.now();
    this.#handler.onOwnBytes(chunk);
  };

  /** Throws as the constructors of FdReader and FdWriter do; fds that are owned are closed then. */
  constructor({ ends, ownsFd, loop, handler }: FdChannelSetup) {
    this.loop = loop ?? defaultLoop();
    this.#handler = handler;
    const { reading, writing } = takeEnds(ends, ownsFd);
    try {
      if (writing !== undefined) this.#write(writing);
    } catch (error) {
      if (reading !== undefined) closeOwned(reading);
      throw error;
    }
    try {
      if (reading !== undefined) this.#read(reading);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** Bytes read and delivered. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes the kernel has taken. */
  get bytesWritten(): number {
    return this.#writer?.bytesWritten ?? 0;
  }

  /** When bytes last moved, also a part of a write; in milliseconds of `performance.now()`. */
  get lastActivity(): number {
    return Math.max(this.#lastRead, this.#writer?.lastWrite ?? 0);
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** Leave what comes in the kernel. */
  pause(): void {
    if (this.#reading === 'paused') return;
    this.#reading = 'paused';
    this.#reader?.off('data', this.#onData);
  }

  /** Deliver (again); nothing is delivered before the first call. */
  resume(): void {
    if (this.#reading === 'flowing' || this.closed) return;
    this.#reading = 'flowing';
    this.#reader?.on('data', this.#onData);
  }

  /** Whether there is something that will be delivered with the next turn. */
  hasUnread(): boolean {
    const reader = this.#reading === 'flowing' ? this.#reader : null;
    return reader !== null && !reader.closed && isReadyNow(reader.fd, POLLIN);
  }

  /** Whether some of what waits will be written with the next turn. */
  canFlushNow(): boolean {
    const writer = this.#writer;
    return writer !== null && writer.queuedBytes > 0 && isReadyNow(writer.fd, POLLOUT);
  }

  /** Write `data`, which must not change before `callback` is called: once, later. */
  write(data: Uint8Array, callback: WriteCallback = () => {}): void {
    this.#writer?.write(data, callback);
  }

  /** As {@link write}, of a copy. */
  writeLent(bytes: Uint8Array, length: number, callback: WriteCallback): void {
    this.write(Uint8Array.prototype.slice.call(bytes, 0, length), callback);
  }

  /** Nothing: each chunk stays a write(2) of its own, for the fds that keep bounds. */
  cork(): void {}

  /** Nothing; see {@link cork}. */
  uncork(): void {}

  /** Close the writing end after all that was written. A socket sends its FIN. */
  end(): void {
    if (this.#writer === null || this.#writer.closed) return;
    // An fd that is no socket answers ENOTSOCK, and has no half to shut down.
    shutdown(this.#writer.fd, SHUT_WR);
    this.#writer.end();
  }

  /** Close now. Waiting bytes are lost; their callbacks get an error. */
  destroy(): void {
    this.#state = 'closed';
    this.#reader?.close();
    this.#writer?.close();
  }

  /** Hold the process open; the default. */
  ref(): void {
    this.#reader?.ref();
    this.#writer?.ref();
  }

  /** Do not hold the process open. */
  unref(): void {
    this.#reader?.unref();
    this.#writer?.unref();
  }

  #read(fd: number): void {
    const reader = new FdReader(fd, { loop: this.loop });
    reader.on('error', (error) => this.#fail(error));
    // The end has a turn of its own, as that of a connection: see connection.ts.
    reader.on('close', () => outsideCallers(() => setImmediate(() => this.#end())));
    this.#reader = reader;
  }

  #end(): void {
    if (!this.closed) this.#handler.onEnd();
  }

  #write(fd: number): void {
    const maxQueuedBytes = MAX_QUEUED_BYTES;
    this.#writer = new FdWriter(fd, { maxQueuedBytes, loop: this.loop });
    this.#writer.on('error', (error) => this.#fail(error));
  }

  #fail(error: Error): void {
    if (this.closed) return;
    this.destroy();
    this.#handler.onClose(this, error);
  }
}

/** The fds to work with: one for each direction, because a loop watches an fd once. */
function takeEnds(
  { readFd, writeFd }: FdEnds,
  ownsFd: boolean,
): { reading: number | undefined; writing: number | undefined } {
  const given = [readFd, writeFd].filter((fd) => fd !== undefined).filter(mayClose);
  const free = new Set(ownsFd ? given : []);
  const toClose = new Set(free);
  const take = (fd: number | undefined): number | undefined => {
    if (fd === undefined || free.delete(fd)) return fd;
    const made = unwrap(fcntl(fd, F_DUPFD_CLOEXEC), 'fcntl', { fd });
    toClose.add(made);
    return made;
  };
  try {
    return { reading: take(readFd), writing: take(writeFd) };
  } catch (error) {
    for (const fd of toClose) closeOwned(fd);
    throw error;
  }
}
