/**
 * One TCP connection (or any connected stream socket) on an event loop.
 *
 * Reading: `data` hands out a view of the loop's read buffer that is valid during the call; copy
 * what you keep. Bytes that came before the peer's FIN are delivered before `end`, which has a turn of
 * its own: what a handler of the bytes does in a tick, a promise or an immediate comes before it.
 *
 * Writing (see {@link ConnectionWriter}): a write is tried at once; what the kernel does not take is
 * queued, and EPOLLOUT is asked for only while something is queued. Small writes made while this
 * connection's own events are handled are gathered and sent together. Nothing here ever blocks.
 *
 * Closing: `close` is told exactly once, with the error if there was one. In order: the state, the
 * epoll set, the callbacks, and the fd last, so that its number cannot be reused too early.
 */
import type { EventLoop } from '../../loop/event-loop';
import {
  closeRefused,
  type EventHandler,
  isFdGone,
  type Registration,
} from '../../loop/registration';
import { UNSCHEDULED } from '../../loop/timer-lists';
import type { SocketAddress } from '../../sys/address';
import * as constants from '../../sys/constants';
import { errno, SystemError, unwrap } from '../../sys/errno';
import { closeOwned, disown, own } from '../../sys/ownership';
import { recv } from '../../sys/socket';
import { pendingError } from '../../watch/pending-error';
import { localAddressOf, peerAddressOf } from '../socket/names';
import { setSocketOption } from '../socket/options';
import { isReadyNow } from '../socket/readiness';
import type { DeadlineSubject, ReadRate } from './deadlines';
import { checkHandler, type Handler } from './handler';
import { interestOf, type ReadState } from './interest';
import { READ_BYTES } from './io-buffers';
import { type ConnectionOwner, type ConnectionSettings, parseReadRate } from './options';
import { ConnectionWriter, closedError } from './writer';

const { EAGAIN, EINTR } = errno;

const { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } = constants;
const { MSG_OOB, POLLIN, POLLOUT } = constants;
const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR; // Data may stand before these.
/** With one of these, a short read does not prove that the socket is empty. */
const READ_ON = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;

/** The urgent byte, for the time of one call. */
const urgent = new Uint8Array(1);

/** A handler of connections; see {@link Handler}. */
export type ConnectionHandler = Handler<TcpConnection>;

/** A connected stream socket. Made by {@link TcpServer}, {@link UnixServer} and {@link connect}. */
export class TcpConnection extends ConnectionWriter implements EventHandler, DeadlineSubject {
  #reading: ReadState = 'flowing';
  /** Why it closes in the next turn; null for no reason but the peer's FIN, or if it does not. */
  #fate: Error | null = null;
  #handler: ConnectionHandler;
  /** Bytes received and delivered. */
  bytesRead = 0;
  /** For the use of the handler: what belongs to this connection. Not touched here. */
  attachment: unknown = undefined;
  /** Keep our writing half open after the peer's FIN. */
  allowHalfOpen: boolean;
  readonly #owner: ConnectionOwner<TcpConnection>;
  readonly #registration: Registration;
  /** For the timer wheel, which maintains it. */
  timerIndex: number = UNSCHEDULED;
  #peer: SocketAddress | null = null;
  #failure: Error | undefined = undefined;

  /** Takes over `fd`: connected and non-blocking. If the loop does not take it: {@link closeRefused}. */
  constructor(fd: number, settings: ConnectionSettings<TcpConnection>) {
    super(fd, settings);
    this.#handler = settings.handler;
    this.#owner = settings.owner;
    this.allowHalfOpen = settings.allowHalfOpen;
    try {
      this.#registration = settings.loop.add(fd, this.#interest(), this);
    } catch (error) {
      closeRefused(fd, error);
      throw error;
    }
    own(fd);
    settings.deadlines.open(this, settings);
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
    return this.closed ? null : localAddressOf(this.fd);
  }

  /** Cut the connection when no bytes move for so long, from now on; 0 for never. */
  setIdleTimeout(timeoutMs: number): void {
    if (this.closed) return;
    this.lastActivity = Math.floor(performance.now());
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

  /** TCP_NODELAY: send small writes at once. Has been done already, unless `noDelay` was false. */
  setNoDelay(enabled = true): void {
    if (!this.closed) setSocketOption(this.fd, 'noDelay', enabled);
  }

  /** SO_KEEPALIVE: have the kernel find out that an idle peer has vanished. See tcp(7). */
  setKeepAlive(enabled = true): void {
    if (!this.closed) setSocketOption(this.fd, 'keepAlive', enabled);
  }

  /**
   * Call `handler` from now on, and not the listeners: for a protocol that takes over. A FIN or close
   * that came before is reported at the next tick. Throws a TypeError for what has no `onData`.
   */
  setHandler(handler: ConnectionHandler): void {
    checkHandler(handler);
    this.#handler = handler;
    const { closed } = this;
    if (!this.flowing && !this.paused) process.nextTick(() => this.#catchUp(handler, closed));
  }

  /**
   * Ask whoever handles this connection to finish and end it, as {@link StreamServer.shutdown} does
   * with all of a server. What has arrived already is delivered first, as it is under way; but not
   * while events of a connection are being handled, whose view it would overwrite.
   */
  requestEnd(): void {
    const isFree = this.settings.buffers.gather.free;
    if (isFree && this.#reading === 'flowing' && !this.closed) this.onEvents(EPOLLIN);
    if (this.closed) return;
    this.#tell(() => {
      if (this.#handler.onShutdown === undefined) this.end();
      else this.#handler.onShutdown(this);
    });
  }

  /**
   * Leave what comes in the kernel, whose window then stops the peer. Its FIN waits too; a reset
   * closes the connection all the same, and what was not read is lost.
   */
  pause(): void {
    if (!this.flowing || this.#fate !== null || this.closed) return;
    this.#reading = 'paused';
    this.#applyInterest();
  }

  /** Deliver again, from the next turn of the loop on. */
  resume(): void {
    if (this.#reading !== 'paused' || this.closed) return;
    this.#reading = 'flowing';
    this.#registration.modify(this.#interest());
    this.settings.deadlines.onResume(this);
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
    const { gather } = this.settings.buffers;
    gather.begin(this);
    try {
      this.#handle(events);
    } finally {
      gather.end();
    }
  }

  #handle(events: number): void {
    if (events === 0) return this.#deliverEnd();
    if ((events & EPOLLOUT) !== 0 && (events & EPOLLERR) === 0) this.flush();
    if ((events & EPOLLPRI) !== 0 && this.settings.urgentData) this.#readUrgent();
    if ((events & READABLE) !== 0 && this.#reading === 'flowing') this.#read(events);
    this.flushGathered();
    // A write that failed has taken the error out of the socket, and tells of it.
    const isUntold = !this.closed && !this.failed && this.#fate === null;
    if ((events & EPOLLERR) === 0 || !isUntold) return;
    const error = pendingError(this.fd);
    if (this.#reading === 'ending') this.#fate = error;
    else this.destroy(error);
  }

  /** For the loop. */
  onRevoked(reason: Error): void {
    if (!isFdGone(reason) || this.closed) return this.destroy(reason);
    disown(this.fd);
    this.#leave(reason);
  }

  /** Its number in the loop. */
  get slot(): number {
    return this.#registration.low;
  }

  /** Whether {@link pause} was called last, and not {@link resume}. */
  get paused(): boolean {
    return this.#reading === 'paused';
  }

  /** Whether what comes is delivered: false when paused, after the peer's FIN, and once closed. */
  get flowing(): boolean {
    return this.#reading !== 'paused' && this.#reading !== 'ended';
  }

  /** Whether bytes or the FIN will be delivered next: this thread may be late. */
  hasUnread(): boolean {
    return this.flowing && isReadyNow(this.fd, POLLIN);
  }

  /** As {@link hasUnread}: whether some of what is queued will be sent next. */
  canFlushNow(): boolean {
    return this.wantsWritable && isReadyNow(this.fd, POLLOUT);
  }

  /** For the timer wheel: look which deadline has passed, if any. */
  onTimer(): void {
    const error = this.settings.deadlines.judge(this);
    if (error !== null) this.destroy(error);
  }

  protected onQueueChange(): void {
    this.#applyInterest();
    this.settings.deadlines.arm(this);
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

  /** Report to `handler` what came before it: the close if it `wasClosed`, else the FIN. */
  #catchUp(handler: ConnectionHandler, wasClosed: boolean): void {
    if (this.#handler !== handler) return;
    if (wasClosed) this.#tell(() => handler.onClose?.(this, this.#failure));
    else if (!this.closed) this.#reportEnd();
  }

  #leave(error: Error | undefined): void {
    this.#reading = 'ended';
    this.#failure = error;
    this.#registration.remove();
    this.settings.deadlines.close(this);
    this.abandon(error ?? closedError());
    this.#tell(() => this.#handler.onClose?.(this, error));
    this.#owner.onConnectionClose(this);
  }

  #read(events: number): void {
    const { buffers, readQuantumBytes, urgentData, loop } = this.settings;
    let taken = 0;
    while (this.#reading === 'flowing') {
      const count = recv(this.fd, buffers.read, READ_BYTES, 0);
      // A signal: under EPOLLET nobody would say again that there is something.
      if (count === -EINTR) continue;
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
      // epoll(7). Not so at urgent data, of which the mark stays when the byte was taken, and not if a
      // FIN or an error waits behind the bytes.
      if (count < READ_BYTES && (events & READ_ON) === 0 && !urgentData) return;
      if (taken >= readQuantumBytes) break;
      // The answer may stand in the buffer that is read into next.
      this.flushGathered();
    }
    if (this.#reading === 'flowing' && this.settings.trigger === 'edge')
      this.#registration.requeue(events);
  }

  /** EPOLLPRI: the byte overtakes the others, and is told also while these are left in the kernel. */
  #readUrgent(): void {
    if (this.closed || recv(this.fd, urgent, 1, MSG_OOB) !== 1) return;
    this.lastActivity = this.settings.loop.now;
    this.#tell(() => this.#handler.onUrgent?.(this, urgent[0] as number));
  }

  /** recv(2) gave no bytes: nothing more now, the FIN, or an error. Either has the next turn. */
  #onReadEnd(outcome: number): void {
    // The end of a connection that was cut, whose error a write has got already.
    if (outcome === -EAGAIN || this.failed) return;
    if (outcome < 0) this.#fate = new SystemError('recv', outcome, { fd: this.fd });
    this.#reading = outcome < 0 ? 'failing' : 'ending';
    this.#registration.nextTurn();
  }

  #deliverEnd(): void {
    const fate = this.#fate ?? undefined;
    if (this.#reading === 'failing') return this.destroy(fate);
    // Paused meanwhile: the FIN is found again when it is resumed.
    if (this.#reading !== 'ending') return;
    this.#reading = 'ended';
    this.#reportEnd(fate);
  }

  #reportEnd(fate?: Error): void {
    this.#tell(() => this.#handler.onEnd?.(this));
    if (fate !== undefined) return this.destroy(fate);
    if (!this.allowHalfOpen && !this.closed) this.end();
    // Mostly it is closed by now, and needs no mask any more.
    if (this.finished) this.destroy();
    else if (!this.closed) this.#applyInterest();
  }

  /** A handler that throws must not leave the connection half closed. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.settings.loop.uncaught(error);
    }
  }

  #interest(): number {
    return interestOf(this.settings, this.#reading, this.wantsWritable);
  }

  #applyInterest(): void {
    const mask = this.#interest();
    if (this.#registration.events !== mask) this.#registration.modify(mask);
  }

  #peerAddress(): SocketAddress | null {
    if (this.#peer === null && !this.closed) this.#peer = peerAddressOf(this.fd);
    return this.#peer;
  }
}
