/**
 * One TCP connection (or any connected stream socket) on an event loop.
 *
 * Reading: `data` hands out a view of the loop's read buffer that is valid during the call; copy
 * what you keep. Bytes that came before the peer's FIN are delivered before `end`.
 *
 * Writing (see {@link ConnectionWriter}): a write is tried at once; what the kernel does not take is
 * queued, and EPOLLOUT is asked for only while something is queued. Small writes made while this
 * connection's own events are handled are gathered and sent together. Nothing here ever blocks.
 *
 * Closing: `close` is told exactly once, with the error if there was one. In order: the state, the
 * epoll set, the callbacks, and the fd last, so that its number cannot be reused too early.
 */
import type { EventLoop } from '../loop/event-loop';
import { type EventHandler, isFdGone, type Registration } from '../loop/registration';
import { type TimerOwner, WheelTimer } from '../loop/timer-wheel';
import { ADDRESS_BYTES, decodeAddress, type SocketAddress } from '../sys/address';
import * as constants from '../sys/constants';
import { errno, SystemError, unwrap } from '../sys/errno';
import { closeOwned, disown, own } from '../sys/ownership';
import { getpeername, getsockname, recv, setsockopt } from '../sys/socket';
import { pendingError } from '../watch/pending-error';
import type { ConnectionHandler } from './connection-handler';
import type { ConnectionOwner, ConnectionSettings } from './connection-options';
import { ConnectionWriter, closedError } from './connection-writer';
import { READ_BYTES } from './io-buffers';

const { EAGAIN, EINTR, ETIMEDOUT } = errno;

const { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } = constants;
const { IPPROTO_TCP, SOL_SOCKET, SO_KEEPALIVE, TCP_NODELAY } = constants;
/** What calls for recv(2): EPOLLHUP and EPOLLERR too, because data may stand before them. */
const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
/** With one of these, a short read does not prove that the socket is empty. */
const READ_ON = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;

/** `flowing`: delivered as it comes. `paused`: left in the kernel. `ended`: the FIN was delivered. */
type ReadState = 'flowing' | 'paused' | 'ended';

/** A connected stream socket. Made by {@link TcpServer}, {@link UnixServer} and {@link connect}. */
export class TcpConnection extends ConnectionWriter implements EventHandler, TimerOwner {
  #reading: ReadState = 'flowing';
  #handler: ConnectionHandler;
  /** Bytes received and delivered. */
  bytesRead = 0;
  /** For the use of the handler: what belongs to this connection. Not touched here. */
  attachment: unknown = undefined;
  /** Keep our writing half open after the peer's FIN. */
  allowHalfOpen: boolean;
  readonly #owner: ConnectionOwner<TcpConnection>;
  readonly #registration: Registration;
  #deadline: WheelTimer | null = null;
  #idleTimeoutMs: number;
  #writeTimeoutMs: number;
  #peer: SocketAddress | null = null;

  /** Takes over `fd`: connected and non-blocking. Closes it if the loop does not take it. */
  constructor(fd: number, settings: ConnectionSettings<TcpConnection>) {
    super(fd, settings);
    this.#handler = settings.handler;
    this.#owner = settings.owner;
    this.allowHalfOpen = settings.allowHalfOpen;
    this.#idleTimeoutMs = settings.idleTimeoutMs;
    this.#writeTimeoutMs = settings.writeTimeoutMs;
    try {
      this.#registration = settings.loop.add(fd, this.#interest(), this);
    } catch (error) {
      closeOwned(fd);
      throw error;
    }
    own(fd);
    this.#armDeadline();
  }

  /** The loop that does the work. */
  get loop(): EventLoop {
    return this.settings.loop;
  }

  /** The peer's address; undefined for a unix socket, or if never asked for before the close. */
  get remoteAddress(): string | undefined {
    return this.#peerAddress()?.address;
  }

  /** The peer's port; see {@link remoteAddress}. */
  get remotePort(): number | undefined {
    return this.#peerAddress()?.port;
  }

  /** Our own address and port; null for a unix socket, or once closed. */
  get localAddress(): SocketAddress | null {
    const bytes = new Uint8Array(ADDRESS_BYTES);
    return !this.closed && getsockname(this.fd, bytes) > 0 ? decodeAddress(bytes) : null;
  }

  /** Cut the connection when no bytes move for so long, from now on; 0 for never. */
  setIdleTimeout(timeoutMs: number): void {
    this.#idleTimeoutMs = timeoutMs;
    this.lastActivity = Math.floor(performance.now());
    this.#armDeadline();
  }

  /** Cut the connection when a queued write waits for so long; 0 for never. */
  setWriteTimeout(timeoutMs: number): void {
    this.#writeTimeoutMs = timeoutMs;
    this.#armDeadline();
  }

  /** TCP_NODELAY: send small writes at once. Has been done already, unless `noDelay` was false. */
  setNoDelay(enabled = true): void {
    this.#setOption(IPPROTO_TCP, TCP_NODELAY, enabled);
  }

  /** SO_KEEPALIVE: have the kernel find out that an idle peer has vanished. See tcp(7). */
  setKeepAlive(enabled = true): void {
    this.#setOption(SOL_SOCKET, SO_KEEPALIVE, enabled);
  }

  /**
   * Tell `handler` from now on what happens, and not the listeners: for a protocol that takes the
   * connection over.
   */
  handOverTo(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  /** Leave what comes in the kernel, whose window then stops the peer. */
  pause(): void {
    if (this.#reading !== 'flowing' || this.closed) return;
    this.#reading = 'paused';
    this.#applyInterest();
  }

  /** Deliver again, from the next turn of the loop on. */
  resume(): void {
    if (this.#reading !== 'paused' || this.closed) return;
    this.#reading = 'flowing';
    this.#registration.modify(this.#interest());
  }

  /** Close now. What is queued is lost; its callbacks get an error. */
  destroy(error?: Error): void {
    if (this.closed) return;
    if (error === undefined) this.flushGathered();
    const { fd } = this;
    this.#leave(error);
    unwrap(closeOwned(fd), 'close', { fd });
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** Hold the process open; the default. */
  ref(): void {
    this.#registration.ref();
  }

  /** Do not hold the process open. */
  unref(): void {
    this.#registration.unref();
  }

  /** For the loop: writing first, to make room, then reading; an error after what came before it. */
  onEvents(events: number): void {
    const { buffers } = this.settings;
    buffers.corkOwner = this;
    if ((events & EPOLLOUT) !== 0 && (events & EPOLLERR) === 0) this.flush();
    if ((events & READABLE) !== 0 && this.#reading === 'flowing') this.#read(events);
    if ((events & EPOLLERR) !== 0 && !this.closed) this.destroy(pendingError(this.fd));
    this.flushGathered();
    buffers.corkOwner = null;
  }

  /** For the loop. */
  onRevoked(reason: Error): void {
    if (!isFdGone(reason) || this.closed) return this.destroy(reason);
    disown(this.fd);
    this.#leave(reason);
  }

  /** For the timer wheel: look which deadline has passed, if any. */
  onTimer(): void {
    const now = performance.now();
    if (now >= this.#idleDeadline()) {
      this.destroy(timeoutError('read', `no bytes for ${this.#idleTimeoutMs} ms`));
    } else if (now >= this.#writeDeadline()) {
      const reason = `a write has waited for ${this.#writeTimeoutMs} ms, the peer does not read`;
      this.destroy(timeoutError('write', reason));
    } else {
      this.#armDeadline();
    }
  }

  protected onQueueChange(): void {
    this.#applyInterest();
    this.#armDeadline();
  }

  protected onTurnSpent(): void {
    // A level-triggered socket is reported again by the kernel.
    if ((this.#registration.events & EPOLLET) !== 0) this.#registration.requeue(EPOLLOUT);
  }

  protected onDrained(): void {
    this.#tell(() => this.#handler.onDrain?.(this));
  }

  protected onFinished(): void {
    if (this.#reading === 'ended') this.destroy();
  }

  /** Everything but closing the fd. */
  #leave(error: Error | undefined): void {
    this.#reading = 'ended';
    this.#registration.remove();
    if (this.#deadline !== null) this.settings.loop.timers.cancel(this.#deadline);
    this.abandon(error ?? closedError());
    this.#tell(() => this.#handler.onClose?.(this, error));
    this.#owner.onConnectionClose(this);
  }

  #read(events: number): void {
    const { buffers, readQuantumBytes, loop } = this.settings;
    let taken = 0;
    while (this.#reading === 'flowing') {
      const count = recv(this.fd, buffers.read, READ_BYTES, 0);
      if (count <= 0) return this.#onReadEnd(count);
      taken += count;
      this.bytesRead += count;
      this.lastActivity = loop.now;
      try {
        this.#handler.onData(this, buffers.views.view(0, count));
      } catch (error) {
        loop.uncaught(error);
      }
      // A stream socket that gave less than was asked for is empty: see the last question in
      // epoll(7). Not so at urgent data, and not if a FIN or an error waits behind the bytes.
      if (count < READ_BYTES && (events & READ_ON) === 0) return;
      if (taken >= readQuantumBytes) break;
      // The answer may stand in the buffer that is read into next.
      this.flushGathered();
    }
    if (this.#reading === 'flowing' && this.#isEdge) this.#registration.requeue(events);
  }

  /** recv(2) gave no bytes: nothing more now, the FIN, or an error. */
  #onReadEnd(outcome: number): void {
    if (outcome === -EAGAIN || outcome === -EINTR) return;
    if (outcome < 0) return this.destroy(new SystemError('recv', outcome, { fd: this.fd }));
    this.#reading = 'ended';
    this.#tell(() => this.#handler.onEnd?.(this));
    if (!this.allowHalfOpen && !this.closed) this.end();
    if (this.closed) return;
    // Last, as mostly the connection is closed by now, and no mask needed any more.
    if (this.finished) this.destroy();
    else this.#applyInterest();
  }

  /** A handler that throws must not leave the connection half closed. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.settings.loop.uncaught(error);
    }
  }

  get #isEdge(): boolean {
    return this.settings.trigger === 'edge';
  }

  /**
   * Level-triggered, a paused or ended socket would report what nobody takes (EPOLLHUP cannot even
   * be masked), so those are edge-triggered too. Resuming is an EPOLL_CTL_MOD, which looks again.
   */
  #interest(): number {
    let mask = this.wantsWritable ? EPOLLOUT : 0;
    if (this.#reading === 'flowing') mask |= EPOLLIN | EPOLLRDHUP;
    if (this.#isEdge || this.#reading !== 'flowing') mask |= EPOLLET;
    // Urgent data makes recv(2) stop short; the edge reader must know.
    if (this.#isEdge && this.#reading === 'flowing') mask |= EPOLLPRI;
    return mask >>> 0;
  }

  #applyInterest(): void {
    const mask = this.#interest();
    if (this.#registration.events !== mask) this.#registration.modify(mask);
  }

  #idleDeadline(): number {
    return this.#idleTimeoutMs > 0 ? this.lastActivity + this.#idleTimeoutMs : Infinity;
  }

  #writeDeadline(): number {
    return this.#writeTimeoutMs > 0 ? this.waitingSince + this.#writeTimeoutMs : Infinity;
  }

  #armDeadline(): void {
    const due = Math.min(this.#idleDeadline(), this.#writeDeadline());
    if (due === Infinity) return;
    this.#deadline ??= new WheelTimer(this);
    this.settings.loop.timers.schedule(this.#deadline, due - performance.now());
  }

  #setOption(level: number, name: number, enabled: boolean): void {
    if (this.closed) return;
    const value = Int32Array.of(enabled ? 1 : 0);
    unwrap(setsockopt(this.fd, level, name, value), 'setsockopt', { fd: this.fd });
  }

  #peerAddress(): SocketAddress | null {
    if (this.#peer === null && !this.closed) {
      const bytes = new Uint8Array(ADDRESS_BYTES);
      if (getpeername(this.fd, bytes) > 0) this.#peer = decodeAddress(bytes);
    }
    return this.#peer;
  }
}

function timeoutError(syscall: string, reason: string): SystemError {
  return new SystemError(syscall, ETIMEDOUT, { reason });
}
