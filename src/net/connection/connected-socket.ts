/**
 * The properties and settings of a connection: fd, addresses, counters, options, deadlines. None of them
 * moves a byte or calls a handler: that is {@link StreamConnection}, the only class built on this one.
 *
 * It is a {@link DeadlineSubject}, by members that the types of the package do not show.
 *
 * Beside an event emitter's two, an idle connection has these fields and those of that class, and no
 * object of its own but what the loop keeps for its fd.
 */
import { EventEmitter } from 'eventemitter3';
import type { EventLoop } from '../../loop/event-loop';
import { closeRefused, type EventHandler, type Registration } from '../../loop/registration';
import { UNSCHEDULED } from '../../loop/timer-lists';
import type { SocketAddress } from '../../sys/address';
import { EPOLLET, POLLIN, POLLOUT } from '../../sys/constants';
import { own } from '../../sys/ownership';
import { localAddressOf, peerAddressOf } from '../socket/names';
import { setSocketOption } from '../socket/options';
import { isReadyNow } from '../socket/readiness';
import type { ReadRate } from './deadlines';
import type { StreamConnectionEvents } from './handler';
import { interestOf } from './interest';
import { type ConnectionSettings, parseReadRate } from './options';
import { SendQueue } from './send-queue';
import { type ConnectionState, OPEN } from './state';

/** A stream socket that is connected. */
export abstract class ConnectedSocket<C> extends EventEmitter<StreamConnectionEvents> {
  // The fields that every message touches stand first, and so in as few cache lines as can be.
  protected readonly settings: ConnectionSettings<C>;
  readonly #fd: number;
  #state: ConnectionState = OPEN;
  /** Only while something is queued or corked. */
  protected queue: SendQueue | null = null;
  #bytesRead = 0;
  #bytesWritten = 0;
  #lastActivity: number;
  protected registration!: Registration;
  /** @internal For the timer wheel, which maintains it. */
  timerIndex: number = UNSCHEDULED;
  #peer: SocketAddress | null = null;
  /** For the use of the handler: what belongs to this connection. Not touched here. */
  attachment: unknown = undefined;
  /** Keep our writing half open after the peer's FIN. */
  allowHalfOpen: boolean;

  protected constructor(fd: number, settings: ConnectionSettings<C>) {
    super();
    this.settings = settings;
    this.#fd = fd;
    this.#lastActivity = settings.loop.now;
    this.allowHalfOpen = settings.allowHalfOpen;
  }

  /** The fd, or -1 once closed. */
  get fd(): number {
    return this.state.closed ? -1 : this.#fd;
  }

  /** The loop that does the work. */
  get loop(): EventLoop {
    return this.settings.loop;
  }

  /** Whether the connection is closed: then its fd is, or is about to be. */
  get closed(): boolean {
    return this.state.closed;
  }

  /** Whether `write` takes bytes. */
  get writable(): boolean {
    return this.state.writable;
  }

  /** Whether `pause` was called last, and not `resume`. */
  get paused(): boolean {
    return this.state.reading === 'paused';
  }

  /** Whether what comes is delivered: false when paused, after the peer's FIN, and once closed. */
  get flowing(): boolean {
    return this.state.flowing;
  }

  /** Bytes received and delivered. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes the kernel has taken. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** When bytes last moved in either direction, in whole milliseconds of `performance.now()`. */
  get lastActivity(): number {
    return this.#lastActivity;
  }

  /** Bytes in memory that wait for the kernel to take them. */
  get queuedBytes(): number {
    return this.queue?.bytes ?? 0;
  }

  /** Bytes of files that wait for the kernel to take them. */
  get queuedFileBytes(): number {
    return this.queue?.fileBytes ?? 0;
  }

  /** Queued bytes beyond which the connection is cut. */
  get maxQueuedBytes(): number {
    return this.settings.maxQueuedBytes;
  }

  /**
   * The peer's IP address. This and the next five are as of `net.Socket`: undefined for a unix socket,
   * and once closed; those of the peer stay known if one was asked for before.
   */
  get remoteAddress(): string | undefined {
    return this.#peerAddress()?.address;
  }

  /** The peer's port. */
  get remotePort(): number | undefined {
    return this.#peerAddress()?.port;
  }

  /** `'IPv4'` or `'IPv6'`. */
  get remoteFamily(): SocketAddress['family'] | undefined {
    return this.#peerAddress()?.family;
  }

  /** Our own IP address. */
  get localAddress(): string | undefined {
    return this.#localAddress()?.address;
  }

  /** Our own port. */
  get localPort(): number | undefined {
    return this.#localAddress()?.port;
  }

  /** `'IPv4'` or `'IPv6'`. */
  get localFamily(): SocketAddress['family'] | undefined {
    return this.#localAddress()?.family;
  }

  /** Our own address in one object; one without fields where {@link localAddress} is undefined. */
  address(): SocketAddress | Record<string, never> {
    return this.#localAddress() ?? {};
  }

  /** TCP_NODELAY: send small writes at once. Has been done already, unless `noDelay` was false. */
  setNoDelay(enabled = true): void {
    if (!this.closed) setSocketOption(this.#fd, 'noDelay', enabled);
  }

  /** SO_KEEPALIVE: have the kernel find out that an idle peer has vanished. See tcp(7). */
  setKeepAlive(enabled = true): void {
    if (!this.closed) setSocketOption(this.#fd, 'keepAlive', enabled);
  }

  /** Cut the connection when no bytes move for so long, from now on; 0 for never. */
  setIdleTimeout(timeoutMs: number): void {
    if (this.closed) return;
    this.#lastActivity = Math.floor(performance.now());
    this.settings.deadlines.setIdle(this, timeoutMs);
  }

  /** Cut the connection when its peer takes nothing of what is queued for so long; 0 for never. */
  setWriteTimeout(timeoutMs: number): void {
    if (!this.closed) this.settings.deadlines.setWrite(this, timeoutMs);
  }

  /** Cut the connection so long from now, whatever happens on it; 0 for never. */
  setLifetime(lifetimeMs: number): void {
    if (!this.closed) this.settings.deadlines.setLifetime(this, lifetimeMs);
  }

  /** Cut the connection when its peer owes bytes and sends fewer; null for never. */
  setMinReadRate(rate: ReadRate | null): void {
    const checked = rate === null ? null : parseReadRate(rate);
    if (!this.closed) this.settings.deadlines.setReadRate(this, checked);
  }

  /**
   * For protocols, if there is a `minReadRate`: whether the peer owes bytes. It does from the
   * opening on. `false`, when a whole message has come: nothing is owed until the first byte of the
   * next one. `true`: bytes are owed from now on.
   */
  expectBytes(expected: boolean): void {
    if (!this.closed) this.settings.deadlines.expectBytes(this, expected);
  }

  /**
   * Leave arriving bytes in the kernel, whose window then stops the peer. The peer's FIN waits too; a
   * reset closes the connection all the same, and unread bytes are lost.
   */
  pause(): void {
    if (this.enter(this.state.paused())) this.applyInterest();
  }

  /** Deliver again, from the next turn of the loop on. */
  resume(): void {
    if (!this.enter(this.state.resumed())) return;
    this.registration.modify(this.interest);
    this.settings.deadlines.onResume(this);
  }

  /** Hold the process open; the default. */
  ref(): void {
    this.registration.ref();
  }

  /** Do not hold the process open. */
  unref(): void {
    this.registration.unref();
  }

  /** Whether a write would be tried at once. */
  get canSendNow(): boolean {
    return this.state.writable && this.sendsDirectly;
  }

  /** @internal Its number in the loop. */
  get slot(): number {
    return this.registration.low;
  }

  /** @internal Since when the kernel has taken nothing of the queue; Infinity if it is empty. */
  get waitingSince(): number {
    return this.queue?.waitingSince ?? Infinity;
  }

  /** @internal Whether bytes or the FIN will be delivered next: this thread may be late. */
  hasUnread(): boolean {
    return this.flowing && isReadyNow(this.fd, POLLIN);
  }

  /** Close now. The queued bytes are lost; their callbacks get an error. */
  abstract destroy(error?: Error): void;

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** @internal The timer wheel calls it: a deadline may have passed. */
  abstract onTimer(): void;

  /** @internal As {@link hasUnread}: whether some of what is queued will be sent next. */
  canFlushNow(): boolean {
    return this.wantsWritable && isReadyNow(this.fd, POLLOUT);
  }

  /** The state; see there for what each one means. */
  protected get state(): ConnectionState {
    return this.#state;
  }

  /** Go on to `next`, which a method of the state has given. Returns whether it is another one. */
  protected enter(next: ConnectionState): boolean {
    if (next === this.#state) return false;
    this.#state = next;
    return true;
  }

  /** The queue, made if there is none. */
  protected openQueue(): SendQueue {
    this.queue ??= new SendQueue();
    return this.queue;
  }

  /** Whether a write has no queue to go through, and no cork. */
  protected get sendsDirectly(): boolean {
    return this.queue === null || this.queue.idle;
  }

  /** Whether this connection's events are being handled, and its small writes put together. */
  protected get gathering(): boolean {
    return this.settings.buffers.gather.isOf(this) && this.canSendNow;
  }

  /** Whether {@link WriteSide.detach} would leave nothing behind. */
  protected get isDetachable(): boolean {
    return this.state.detachable && (this.queue === null || this.queue.empty);
  }

  /** Whether EPOLLOUT is needed: something is queued, and may be sent. */
  protected get wantsWritable(): boolean {
    return this.queue?.wantsWritable ?? false;
  }

  /**
   * Have the loop watch the fd from now on, and the deadlines run; the fd is this object's. If the loop
   * does not take it: {@link closeRefused}.
   */
  protected watch(handler: EventHandler): void {
    const { loop, deadlines } = this.settings;
    try {
      this.registration = loop.add(this.#fd, this.interest, handler);
    } catch (error) {
      closeRefused(this.#fd, error);
      throw error;
    }
    own(this.#fd);
    deadlines.open(this, this.settings);
  }

  /** Whether a readiness that is not used up must be repeated by us: the kernel repeats a level. */
  protected get isEdge(): boolean {
    return (this.registration.events & EPOLLET) !== 0;
  }

  /** The events that epoll is to watch for now. */
  protected get interest(): number {
    return interestOf(this.settings, this.state, this.wantsWritable);
  }

  /** Have epoll watch for {@link interest}; costs no epoll_ctl(2) if it does already. */
  protected applyInterest(): void {
    const mask = this.interest;
    if (this.registration.events !== mask) this.registration.modify(mask);
  }

  /** `count` bytes were received. */
  protected countRead(count: number): void {
    this.#bytesRead += count;
    this.#lastActivity = this.settings.loop.now;
  }

  /** The kernel has taken `count` bytes, maybe none, but is not full. */
  protected countWritten(count: number): void {
    this.#bytesWritten += count;
    this.#lastActivity = this.settings.loop.now;
  }

  #peerAddress(): SocketAddress | null {
    if (this.#peer === null && !this.closed) this.#peer = peerAddressOf(this.#fd);
    return this.#peer;
  }

  #localAddress(): SocketAddress | null {
    return this.closed ? null : localAddressOf(this.#fd);
  }
}
