/**
 * A `stream.Duplex` on a connection or on any fd, so that protocol libraries of Node's world run on
 * our loop. It has the members that they use of a `net.Socket`.
 *
 * Back-pressure goes both ways: a full readable buffer leaves the rest in the kernel, whose window
 * then stops the peer, and a write is done when the kernel has its bytes. A pushed chunk is a copy,
 * because streams keep their chunks.
 */
import { addAbortSignal, Duplex } from 'node:stream';
import { type FileRange, holdRange } from '../../bytes/file-range';
import { defaultLoop } from '../../loop/default-loop';
import type { EventLoop } from '../../loop/event-loop';
import { UNSCHEDULED } from '../../loop/timer-lists';
import type { SocketAddress } from '../../sys/address';
import { F_DUPFD_CLOEXEC } from '../../sys/constants';
import { errno, SystemError, unwrap } from '../../sys/errno';
import { fcntl, setNonBlocking } from '../../sys/io';
import { closeOnThrow, mayClose } from '../../sys/ownership';
import { StreamConnection } from '../connection/connection';
import { deadlinesOf } from '../connection/deadlines';
import { closedError } from '../connection/errors';
import { connectionOptionsSchema, connectionSettings } from '../connection/options';
import { dropUnread } from '../socket/drop-unread';
import { setSocketOption } from '../socket/options';
import { resetOnClose } from '../socket/reset-on-close';
import { ArrivalGate, beginsHandshake } from './arrival-gate';
import type { ByteChannel } from './byte-channel';
import { bytesOf, type Chunk, placeFor } from './chunks';
import { FdChannel } from './fd-channel';
import {
  checkTimeout,
  type DuplexBase,
  duplexPlan,
  type FdDuplexOptions,
  type FdEnds,
} from './options';
import { type Callback, sendPortion, sendShort } from './send';

const { ENOTSOCK } = errno;

/** The kernel takes no more for TCP_KEEPIDLE, and an error would help no caller. */
const KEEP_ALIVE_SECONDS_MAX = 32_767;

/** Stands in for a `net.Socket`. */
export class FdDuplex extends Duplex {
  /** As of `net.Socket`; a stream is made of a connected socket. */
  readonly connecting = false;
  /** As of `net.Socket`: what {@link setTimeout} has set; undefined before. */
  timeout: number | undefined = undefined;
  /** Null once released. */
  #channel: ByteChannel | null = null;
  /** The released connection: it goes on, and so do its addresses. */
  #released: StreamConnection | null = null;
  readonly #loop: EventLoop;
  /** 2 while both sides may send; 0 when both FINs, or what stands for them, are through. */
  #openHalves = 2;
  /** Null before there was a handshake of TLS. */
  #gate: ArrivalGate | null = null;
  /** @internal For the timer wheel, which maintains it. */
  timerIndex: number = UNSCHEDULED;
  /** The activity after which `timeout` was emitted: it is emitted once for each silence. */
  #silenceEmitted = -1;

  /**
   * Takes `source` over: a connection, whose events go to this stream from now on; an fd; or two,
   * one to read from and one to write to. A stream socket is made a connection of, other fds are
   * read and written as they are; an fd that was opened for one direction gives a stream with that
   * one. O_NONBLOCK is set on fds, also for other processes that share them.
   *
   * Throws a TypeError that names a wrong option, and a {@link SystemError}: EBADF, EPERM for a
   * regular file or directory, which is always ready and cannot be watched, EINVAL for a socket that
   * listens, EEXIST for an fd that the loop watches for another owner. Fds are left open then. They
   * are closed, if owned, when it fails later: EPERM of epoll for a device, EMFILE.
   */
  constructor(connection: StreamConnection, options?: Omit<FdDuplexOptions, 'ownsFd' | 'loop'>);
  constructor(fds: number | FdEnds, options?: FdDuplexOptions);
  constructor(source: StreamConnection | number | FdEnds, options: FdDuplexOptions = {}) {
    const { base, stream, signal } = duplexPlan(source, options);
    super(stream);
    this.#channel = this.#open(base);
    this.#loop = this.#channel.loop;
    this.#catchUp();
    if (signal !== undefined) addAbortSignal(signal, this);
  }

  /** The connection below; null on fds that are no stream socket, and once released. */
  get connection(): StreamConnection | null {
    return this.#channel instanceof StreamConnection ? this.#channel : null;
  }

  /** As of `net.Socket`: there is nothing to talk to any more. */
  get pending(): boolean {
    return this.#channel === null || this.#channel.closed;
  }

  /** As of `net.Socket`. */
  get readyState(): 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.readable) return this.writable ? 'open' : 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  /** Bytes received and delivered. */
  get bytesRead(): number {
    return this.#channel?.bytesRead ?? 0;
  }

  /** Bytes the kernel has taken. */
  get bytesWritten(): number {
    return this.#channel?.bytesWritten ?? 0;
  }

  /** Of a TCP connection, as the others of these; undefined for everything else. */
  get remoteAddress(): string | undefined {
    return this.#addressed?.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#addressed?.remotePort;
  }

  get remoteFamily(): SocketAddress['family'] | undefined {
    return this.#addressed?.remoteFamily;
  }

  get localAddress(): string | undefined {
    return this.#addressed?.localAddress;
  }

  get localPort(): number | undefined {
    return this.#addressed?.localPort;
  }

  get localFamily(): SocketAddress['family'] | undefined {
    return this.#addressed?.localFamily;
  }

  /** As of `net.Socket`: our own address, or an empty object. */
  address(): SocketAddress | Record<string, never> {
    return this.#addressed?.address() ?? {};
  }

  /**
   * Part with the connection, which stays open: for a protocol that takes it over (an upgrade).
   * Returns it paused, with the bytes that were received but not read; null if it is closed, or if
   * there is none. Its addresses stay known here. If the peer's FIN has come, the next handler gets it
   * from {@link StreamConnection.setHandler}.
   */
  release(): { connection: StreamConnection; rest: Buffer } | null {
    const { connection } = this;
    if (connection === null || connection.closed) return null;
    this.setTimeout(0);
    this.#channel = null;
    this.#released = connection;
    connection.pause();
    this.#gate?.open();
    // Flowing, a stream would give its first chunk only.
    this.pause();
    return { connection, rest: (this.read() as Buffer | null) ?? Buffer.alloc(0) };
  }

  /** As of any emitter. `close` is emitted with whether there was an error, as of `net.Socket`. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'close' && args.length === 0) return super.emit('close', this.errored !== null);
    return super.emit(event, ...args);
  }

  /**
   * Emit `timeout` when no bytes moved for `timeoutMs`, also none from the kernel to the peer; 0
   * switches it off. Closes nothing.
   */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    if (this.destroyed) return this;
    checkTimeout(timeoutMs);
    this.timeout = timeoutMs;
    if (callback !== undefined) {
      if (timeoutMs > 0) this.once('timeout', callback);
      else this.removeListener('timeout', callback);
    }
    this.#silenceEmitted = -1;
    if (timeoutMs > 0) this.#loop.timers.schedule(this, timeoutMs);
    else this.#loop.timers.cancel(this);
    return this;
  }

  /** TCP_NODELAY; nothing for what is not TCP. */
  setNoDelay(enabled = true): this {
    this.#tcp?.setNoDelay(enabled);
    return this;
  }

  /** SO_KEEPALIVE, with TCP_KEEPIDLE in whole seconds if a delay is given; of TCP. */
  setKeepAlive(enabled = false, initialDelayMs = 0): this {
    const connection = this.#tcp;
    connection?.setKeepAlive(enabled);
    const seconds = Math.min(Math.floor(initialDelayMs / 1000), KEEP_ALIVE_SECONDS_MAX);
    if (connection !== null && enabled && seconds > 0) {
      setSocketOption(connection.fd, 'keepAliveIdleSeconds', seconds);
    }
    return this;
  }

  ref(): this {
    this.#channel?.ref();
    return this;
  }

  unref(): this {
    this.#channel?.unref();
    return this;
  }

  /**
   * Send a range of the regular file `fd` behind all that was written, by sendfile(2): see
   * {@link StreamConnection.sendFile}. The fd is borrowed until `callback`, which is called once, also
   * when the stream is destroyed. Returns what `write` returns. Throws a {@link SystemError}: EBADF,
   * EINVAL (not a regular file), ENOTSOCK (the stream is on no connection).
   */
  sendFile(fd: number, range: FileRange, callback?: Callback): boolean {
    if (this.#channel !== null && this.#channel.sendFile === undefined) {
      throw new SystemError('sendfile', ENOTSOCK, { reason: 'the stream is on no connection' });
    }
    return this.write(placeFor(holdRange(fd, range)), callback);
  }

  /** Finish what is being written, then close. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Close at once, a TCP connection with a reset: the peer gets ECONNRESET. */
  resetAndDestroy(): this {
    const connection = this.#tcp;
    if (connection !== null) resetOnClose(connection.fd);
    return this.destroy();
  }

  /** @internal For the connection. */
  onData(_connection: StreamConnection, chunk: Buffer): void {
    this.onOwnBytes(Buffer.from(chunk));
  }

  /** @internal For the fds. */
  onOwnBytes(chunk: Buffer): void {
    if (this.#gate === null && beginsHandshake(chunk)) this.#gate = new ArrivalGate(this);
    if (this.#gate === null) this.onArrival(chunk);
    else this.#gate.pass(chunk);
  }

  /** @internal For the gate. */
  onThrown(error: unknown): void {
    this.#loop.uncaught(error);
  }

  /** @internal For the gate. If nothing waits to be read, `end` needs no reader, as of `net.Socket`. */
  onArrival(chunk: Buffer | null): void {
    if (!this.destroyed && !this.push(chunk)) this.#channel?.pause();
    if (chunk === null) this.read(0);
  }

  /** @internal For the channel. */
  onEnd(): void {
    this.#openHalves -= 1;
    if (this.#gate === null) this.onArrival(null);
    else this.#gate.pass(null);
  }

  /** @internal For the channel. */
  onClose(channel: ByteChannel, error: Error | undefined): void {
    // Not if it was released, and closes before another handler has taken it over.
    if (this.#channel !== channel) return;
    // After both ends it closes in order, maybe before the last bytes are read here: the stream
    // closes by itself when they are.
    if (error === undefined && this.#openHalves === 0) return;
    this.#gate?.open();
    this.destroy(error);
  }

  /** @internal The server shuts down: emits `shutdown`; without a listener the stream ends. */
  onShutdown(): void {
    this.deliverArrivals();
    if (!this.emit('shutdown')) this.end();
  }

  /** @internal For the timer wheel. After a silence that was reported, look for the next one. */
  onTimer(): void {
    const { timeout = 0 } = this;
    if (this.#channel === null || this.#channel.closed || timeout === 0) return;
    const { lastActivity } = this.#channel;
    const leftMs = this.#loop.handledBy(lastActivity) + timeout - performance.now();
    const isEmitted = this.#silenceEmitted === lastActivity;
    if (leftMs <= 0 && !isEmitted) {
      if (this.#isMoving) return this.#loop.timers.schedule(this, 0);
      if (!this.#isSilent(timeout)) return this.#loop.timers.schedule(this, timeout / 4);
    }
    this.#loop.timers.schedule(this, leftMs > 0 ? leftMs : timeout);
    if (leftMs > 0 || isEmitted) return;
    this.#silenceEmitted = lastActivity;
    this.emit('timeout');
  }

  override _read(): void {
    this.#channel?.resume();
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: Callback): void {
    this._writev([{ chunk, encoding }], callback);
  }

  override _writev(chunks: Chunk[], callback: Callback): void {
    this.#gate?.onWrite();
    const channel = this.#channel;
    if (channel === null || !sendShort(channel, chunks, callback)) {
      this.#send(chunks.map(bytesOf).reverse(), callback);
    }
  }

  override _final(callback: Callback): void {
    this.#openHalves -= 1;
    this.#channel?.end();
    callback();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#gate?.drop();
    this.#loop.timers.cancel(this);
    const { connection } = this;
    if (connection?.closed === false) dropUnread(connection.fd);
    this.#channel?.destroy();
    callback(error);
  }

  /** Hand on what has arrived, without waiting for writes to settle. */
  protected deliverArrivals(): void {
    this.#gate?.open();
  }

  /** Whether bytes move with the next turn: then it is this thread that is late, and no silence. */
  get #isMoving(): boolean {
    if (this.#gate?.isHolding === true) return true;
    return this.#channel !== null && (this.#channel.hasUnread() || this.#channel.canFlushNow());
  }

  /** Whether a peer that is slow has got nothing of what the kernel holds, either. */
  #isSilent(idleMs: number): boolean {
    const { connection } = this;
    const now = performance.now();
    return connection === null || deadlinesOf(this.#loop).isIdle(connection, { idleMs, now });
  }

  /** The connection that has the addresses. */
  get #addressed(): StreamConnection | null {
    return this.connection ?? this.#released;
  }

  /** The connection, if it is open and TCP: a unix socket has no IP address. */
  get #tcp(): StreamConnection | null {
    return this.connection?.localAddress === undefined ? null : this.connection;
  }

  #open(base: DuplexBase): ByteChannel {
    if (base.kind === 'fds') return new FdChannel({ ...base, handler: this });
    const connection = base.kind === 'socket' ? this.#connect(base) : base.connection;
    // The stream itself ends our half, after what it still has to write.
    connection.allowHalfOpen = true;
    connection.setHandler(this);
    return connection;
  }

  /** Take over the state of a connection from before it was given to us. */
  #catchUp(): void {
    // The peer's FIN, and why it was closed, come from the connection: see setHandler.
    const { connection } = this;
    if (connection !== null && !connection.closed && !connection.writable) this.end();
  }

  #connect({ fd: given, ownsFd, loop }: DuplexBase & { kind: 'socket' }): StreamConnection {
    const isOurs = ownsFd && mayClose(given);
    const fd = isOurs ? given : unwrap(fcntl(given, F_DUPFD_CLOEXEC), 'fcntl', { fd: given });
    closeOnThrow(fd, () => unwrap(setNonBlocking(fd), 'fcntl', { fd }));
    const options = connectionOptionsSchema.parse({ handler: this });
    const settings = connectionSettings<StreamConnection>(options, { loop: loop ?? defaultLoop() });
    return new StreamConnection(fd, settings);
  }

  /** Write `chunks`, the last one first, in portions: see {@link sendPortion}. */
  #send(chunks: Buffer[], callback: Callback): void {
    this.#gate?.onWrite();
    if (this.#channel === null) return callback(closedError());
    sendPortion(this.#channel, chunks, (error) => {
      if (error || chunks.length === 0) callback(error);
      else this.#send(chunks, callback);
    });
  }
}
