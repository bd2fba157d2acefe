/**
 * A `stream.Duplex` on a connection, so that protocol libraries of Node's world run on our loop.
 *
 * Back-pressure goes both ways: a full readable buffer pauses the connection, and a write is done
 * when the kernel has its bytes. What is pushed is a copy, because streams keep their chunks.
 */
import { Duplex } from 'node:stream';
import type { EventLoop } from '../loop/event-loop';
import { type TimerOwner, WheelTimer } from '../loop/timer-wheel';
import type { ConnectionHandler } from './connection-handler';
import { closedError } from './connection-writer';
import { checkFileRange, type FileRange } from './file-range';
import type { TcpConnection } from './tcp-connection';

type Callback = (error?: Error | null) => void;

/** Empty chunks that stand in a stream for a range of a file. */
const fileRanges = new WeakMap<Uint8Array, FileRange & { readonly fd: number }>();

/** Looks like a `net.Socket` to those who take one. */
export class ConnectionDuplex extends Duplex implements ConnectionHandler, TimerOwner {
  /** As of `net.Socket`; an accepted connection is connected. */
  readonly connecting = false;
  #connection: TcpConnection | null;
  readonly #loop: EventLoop;
  #timer: WheelTimer | null = null;
  #timeoutMs = 0;

  /** Takes `connection` over: its events go to this stream from now on. */
  constructor(connection: TcpConnection) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    this.#loop = connection.loop;
    connection.allowHalfOpen = true;
    connection.handOverTo(this);
  }

  get remoteAddress(): string | undefined {
    return this.#connection?.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#connection?.remotePort;
  }

  /**
   * Part with the connection, which stays open: for a protocol that takes it over (an upgrade).
   * Returns it paused, with the bytes that were received but not read; null if it is closed.
   */
  release(): { connection: TcpConnection; rest: Buffer } | null {
    const connection = this.#connection;
    if (connection === null || connection.closed) return null;
    this.#connection = null;
    this.setTimeout(0);
    connection.pause();
    return { connection, rest: (this.read() as Buffer | null) ?? Buffer.alloc(0) };
  }

  /** Emit `timeout` when no bytes moved for `timeoutMs`; 0 switches it off. Closes nothing. */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    this.#timeoutMs = timeoutMs;
    if (callback !== undefined) {
      if (timeoutMs > 0) this.once('timeout', callback);
      else this.removeListener('timeout', callback);
    }
    if (timeoutMs > 0) {
      this.#timer ??= new WheelTimer(this);
      this.#loop.timers.schedule(this.#timer, timeoutMs);
    } else if (this.#timer !== null) {
      this.#loop.timers.cancel(this.#timer);
    }
    return this;
  }

  setNoDelay(enabled = true): this {
    this.#connection?.setNoDelay(enabled);
    return this;
  }

  setKeepAlive(enabled = false): this {
    this.#connection?.setKeepAlive(enabled);
    return this;
  }

  ref(): this {
    this.#connection?.ref();
    return this;
  }

  unref(): this {
    this.#connection?.unref();
    return this;
  }

  /**
   * Send a range of the regular file `fd` behind all that was written, by sendfile(2): see
   * {@link TcpConnection.sendFile}. Returns what `write` returns. The fd is borrowed until `callback`,
   * which is called once, also when the stream is destroyed.
   */
  sendFile(fd: number, range: FileRange, callback: Callback): boolean {
    checkFileRange(fd, range);
    // A chunk takes the range's place among the writes: so order, corks and the end are the stream's.
    const place = Buffer.alloc(0);
    fileRanges.set(place, { fd, offset: range.offset, length: range.length });
    return this.write(place, callback);
  }

  /** Finish what is being written, then close. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  onData(connection: TcpConnection, chunk: Buffer): void {
    if (!this.push(Buffer.from(chunk))) connection.pause();
  }

  onEnd(): void {
    this.push(null);
  }

  onClose(connection: TcpConnection, error: Error | undefined): void {
    // Not if it was released and closes before somebody else has taken it over.
    if (this.#connection === connection) this.destroy(error);
  }

  onTimer(timer: WheelTimer): void {
    if (this.#connection === null || this.#connection.closed) return;
    const leftMs = this.#connection.lastActivity + this.#timeoutMs - performance.now();
    if (leftMs > 0) this.#loop.timers.schedule(timer, leftMs);
    else this.emit('timeout');
  }

  override _read(): void {
    this.#connection?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    const connection = this.#connection;
    const error = connection === null ? closedError() : send(connection, chunk, callback);
    if (error !== null) callback(error);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    const connection = this.#connection;
    if (connection === null) return callback(closedError());
    connection.cork();
    for (const [index, { chunk }] of chunks.entries()) {
      const isLast = index === chunks.length - 1;
      const error = send(connection, chunk, isLast ? callback : undefined);
      if (error !== null) return callback(error);
    }
    connection.uncork();
  }

  override _final(callback: Callback): void {
    this.#connection?.end();
    callback();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.setTimeout(0);
    this.#connection?.destroy();
    callback(error);
  }
}

/** Returns an error, with the connection closed, if a file is none any more; `callback` is unused. */
function send(
  connection: TcpConnection,
  chunk: Buffer,
  callback: Callback | undefined,
): Error | null {
  const range = chunk.byteLength === 0 ? fileRanges.get(chunk) : undefined;
  try {
    if (range === undefined) connection.write(chunk, callback);
    else connection.sendFile(range.fd, range, callback);
    return null;
  } catch (error) {
    // Whoever closed the fd too early: what follows must not take the range's place.
    connection.destroy(error as Error);
    return error as Error;
  }
}
