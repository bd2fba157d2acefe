/**
 * A connected stream socket, TCP or unix, on an event loop: where a byte is read, queued, sent and
 * dropped. Nothing here ever blocks. {@link ConnectedSocket} has what can be asked of it.
 *
 * Reading: `data` hands out a view of the loop's read buffer that is valid during the call; copy what
 * you keep. Bytes that came before the peer's FIN are delivered before `end`, which has a turn of its
 * own: what a handler of the bytes does in a tick, a promise or an immediate comes before it.
 *
 * Writing: a write is tried at once. Bytes that the kernel does not take are queued ({@link SendQueue}), and
 * EPOLLOUT is asked for only while something is queued. Small writes made while this connection's own
 * events are handled are gathered, and sent together ({@link Gather}). `#afterWrite` acts on outcomes.
 *
 * Closing: three steps, in `#close`. `close` is emitted exactly once, with the error if there is one.
 */
import { notDetachable } from '../../base/errors';
import { type FileRange, holdRange } from '../../bytes/file-range';
import { callbackOf, checkedData, type WriteExtra } from '../../bytes/write-arguments';
import type { WriteCallback } from '../../bytes/write-queue';
import { isFdGone } from '../../loop/registration';
import * as constants from '../../sys/constants';
import { errno, SystemError, unwrap } from '../../sys/errno';
import { closeOwned, disown } from '../../sys/ownership';
import { shutdown } from '../../sys/socket';
import { pendingError } from '../../watch/pending-error';
import { ConnectedSocket } from './connected-socket';
import { closedError, refuseWrite } from './errors';
import { checkHandler, guarded, type Handler } from './handler';
import type { ConnectionSettings } from './options';
import { type ReadOutcome, receive, receiveUrgent } from './receive';
import { bytesAreLost, FULL, type SendQueue, sendBytes, type WriteOutcome } from './send-queue';
import { CLOSED } from './state';
import { COPY_LIMIT, type WriteSide } from './write-side';

const { ENOTCONN } = errno;
// The global `process` is a getter, and this is called for each write.
const { nextTick } = process;
const { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP, SHUT_WR } = constants;
const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR; // Data may stand before these.

/** A handler of connections; see {@link Handler}. */
export type ConnectionHandler = Handler<StreamConnection>;

/** A connected stream socket. Made by {@link TcpServer}, {@link UnixServer} and {@link connect}. */
export class StreamConnection extends ConnectedSocket<StreamConnection> implements WriteSide {
  #handler: ConnectionHandler;
  /** Why it closes in the next turn, or has closed; undefined for no reason but the end. */
  #error: Error | undefined = undefined;

  /**
   * Takes over `fd`: connected and non-blocking. If the loop does not take it: {@link closeRefused}.
   * @internal
   */
  constructor(fd: number, settings: ConnectionSettings<StreamConnection>) {
    super(fd, settings);
    this.#handler = settings.handler;
    this.watch(this);
  }

  // The methods of the user: documented in WriteSide, where no comment stands here.

  write(data: string | Uint8Array, extra?: WriteExtra, last?: WriteCallback): boolean {
    const callback = callbackOf(extra, last);
    let bytes = checkedData(data, extra);
    if (this.gathering) {
      if (callback === undefined && this.settings.buffers.gather.add(bytes)) return true;
      this.#flushGathered();
    }
    if (!this.writable) return refuseWrite(callback);
    if (typeof bytes === 'string') bytes = Buffer.from(bytes);
    if (!this.sendsDirectly) return this.#enqueue(bytes, callback);
    return this.#send(bytes, bytes.byteLength, callback);
  }

  writePair(head: Uint8Array, body: Uint8Array, callback?: WriteCallback): boolean {
    const { gather } = this.settings.buffers;
    if (callback === undefined && this.gathering && gather.addPair(head, body)) return true;
    if (body.byteLength <= COPY_LIMIT) return this.write(Buffer.concat([head, body]), callback);
    this.cork();
    this.write(Buffer.from(head));
    const flowing = this.write(body, callback);
    this.uncork();
    return flowing || !this.wantsWritable;
  }

  /** @internal */
  writeLent(bytes: Uint8Array, length: number, callback: WriteCallback): void {
    this.#flushGathered();
    this.#send(bytes, length, callback);
  }

  sendFile(fd: number, range: FileRange, callback?: WriteCallback): boolean {
    const held = holdRange(fd, range);
    this.#flushGathered();
    if (!this.writable) return refuseWrite(callback);
    const queue = this.openQueue();
    const returned = queue.addRange(held, callback);
    const error = queue.excessError(this.maxQueuedBytes, this.fd);
    if (error !== null) this.#afterWrite(error);
    else if (queue.count === 1) this.#flush(this.settings.sendsFirst);
    returned();
    queue.drainOwed = !queue.empty;
    return queue.empty;
  }

  cork(): void {
    this.#flushGathered();
    this.openQueue().corks += 1;
  }

  uncork(): void {
    const { queue } = this;
    if (queue === null || queue.corks === 0) return;
    queue.corks -= 1;
    if (queue.wantsWritable) this.#flush(this.settings.sendsFirst);
  }

  end(data?: string | Uint8Array, extra?: WriteExtra, last?: WriteCallback): void {
    const isWrite = data !== undefined || extra !== undefined || last !== undefined;
    if (isWrite) this.write(data ?? '', extra, last);
    this.#flushGathered();
    if (!this.writable) return;
    this.enter(this.state.endAsked());
    if (this.queue !== null) this.queue.corks = 0;
    if (this.wantsWritable) this.#flush(this.settings.sendsFirst);
    else this.#sendFin();
  }

  /**
   * Call `handler` from now on, and not the listeners: for a protocol that takes over. A FIN or close
   * that came before is reported at the next tick. Throws a TypeError for what has no `onData`.
   */
  setHandler(handler: ConnectionHandler): void {
    checkHandler(handler);
    this.#handler = handler;
    const { closed } = this;
    if (this.state.reading === 'ended') nextTick(() => this.#catchUp(handler, closed));
  }

  /**
   * Have the handler finish and end this connection, as {@link StreamServer.shutdown} does. Bytes that
   * have arrived are delivered first; not while events of a connection are being handled, whose view
   * they would overwrite.
   */
  requestEnd(): void {
    const isFree = this.settings.buffers.gather.free;
    if (isFree && this.state.reading === 'flowing') this.onEvents(EPOLLIN);
    if (this.closed) return;
    guarded(this.loop, () => {
      if (this.#handler.onShutdown === undefined) this.end();
      else this.#handler.onShutdown(this);
    });
  }

  /** Close now. Queued bytes are lost; their callbacks get an error. */
  destroy(error?: Error): void {
    if (this.closed) return;
    if (error === undefined) this.#flushGathered();
    this.#close(error);
  }

  detach(): number {
    this.expectDetachable();
    const { fd } = this;
    disown(fd);
    this.#stopWatching(undefined);
    this.settings.owner.onConnectionClose(this);
    return fd;
  }

  // Calls of the loop: this class is an EventHandler, by members that the types of the package do not show.

  /** @internal Writing first, to make room, then reading; an error after what came before it. */
  onEvents(events: number): void {
    const { gather } = this.settings.buffers;
    gather.begin(this);
    try {
      this.#handle(events);
    } finally {
      gather.end();
    }
  }

  /** @internal */
  onRevoked(reason: Error): void {
    if (this.closed) return;
    if (isFdGone(reason)) disown(this.fd);
    this.#close(reason, isFdGone(reason));
  }

  /** @internal For the timer wheel: look which deadline has passed, if any. */
  onTimer(): void {
    const error = this.settings.deadlines.judge(this);
    if (error !== null) this.destroy(error);
  }

  #handle(events: number): void {
    if (events === 0) return this.#deliverEnd();
    if ((events & EPOLLOUT) !== 0 && (events & EPOLLERR) === 0) this.#flush(true);
    if ((events & EPOLLPRI) !== 0 && this.settings.urgentData) this.#readUrgent();
    if ((events & READABLE) !== 0 && this.state.reading === 'flowing') {
      this.#afterRead(receive(this, events, this.settings), events);
    }
    this.#flushGathered();
    if ((events & EPOLLERR) !== 0) this.#onSocketError();
  }

  /** @internal Throws what {@link detach} would throw. */
  expectDetachable(): void {
    this.#flushGathered();
    if (!this.isDetachable) throw notDetachable(this.fd, this.queuedBytes);
  }

  // Reading.

  /** @internal Bytes that were read from the socket before it was this connection's. */
  deliverHead(head: Buffer): void {
    if (head.length > 0) guarded(this.loop, () => this.#handler.onData(this, head));
  }

  /** @internal For {@link receive}. */
  onReceived(count: number): boolean {
    this.countRead(count);
    try {
      this.#handler.onData(this, this.settings.buffers.views.view(0, count));
    } catch (error) {
      this.loop.uncaught(error);
    }
    // Now: the answer may stand in the buffer that is read into next.
    this.#flushGathered();
    return this.state.reading === 'flowing';
  }

  /** The FIN or an error, found in place of bytes, has the next turn. */
  #afterRead(outcome: ReadOutcome, events: number): void {
    // A level-triggered socket is reported again by the kernel.
    if (outcome === 'turn-spent' && this.isEdge) this.registration.requeue(events);
    // Nor the end of a connection that was cut, whose error a write has got already.
    if (outcome === 'empty' || outcome === 'turn-spent' || !this.state.sends) return;
    if (outcome !== 'end') this.#error = outcome;
    this.enter(outcome === 'end' ? this.state.endFound() : this.state.errorFound());
    this.registration.nextTurn();
  }

  /** The urgent byte overtakes the others, and is delivered also while these are left in the kernel. */
  #readUrgent(): void {
    const byte = this.closed ? -1 : receiveUrgent(this.fd);
    if (byte < 0) return;
    this.countRead(0);
    guarded(this.loop, () => this.#handler.onUrgent?.(this, byte));
  }

  /** EPOLLERR, after what came before it. Not if a read or a write has taken the error already. */
  #onSocketError(): void {
    const { closed, reading, writing } = this.state;
    if (closed || writing === 'failed' || reading === 'failing' || reading === 'breaking') return;
    const error = pendingError(this.fd);
    if (reading !== 'ending') return this.destroy(error);
    this.#error = error;
    this.enter(this.state.errorFound());
  }

  #deliverEnd(): void {
    if (this.state.reading === 'failing') return this.destroy(this.#error);
    // Not if it was paused meanwhile: the FIN is found again when it is resumed.
    if (this.enter(this.state.endDelivered())) this.#reportEnd();
  }

  #reportEnd(): void {
    guarded(this.loop, () => this.#handler.onEnd?.(this));
    if (this.closed) return;
    if (this.#error !== undefined) return this.destroy(this.#error);
    if (!this.allowHalfOpen) this.end();
    // Mostly it is closed by now, and needs no mask any more.
    if (this.state.writing === 'finished') this.destroy();
    else this.applyInterest();
  }

  /** Report to `handler` what came before it: the close if it `wasClosed`, else the FIN. */
  #catchUp(handler: ConnectionHandler, wasClosed: boolean): void {
    if (this.#handler !== handler) return;
    if (wasClosed) guarded(this.loop, () => handler.onClose?.(this, this.#error));
    else if (!this.closed) this.#reportEnd();
  }

  // Writing.

  /** Send what the handling of this connection's events has gathered. */
  #flushGathered(): void {
    const { gather } = this.settings.buffers;
    const length = gather.bytes;
    if (length === 0 || !gather.isOf(this)) return;
    const bytes = gather.take();
    if (bytes.byteLength < length) this.#afterWrite(bytesAreLost(this.fd));
    else this.#send(bytes, length, undefined);
  }

  /** Nothing is queued: try at once, and queue what the kernel does not take. */
  #send(bytes: Uint8Array, length: number, callback: WriteCallback | undefined): boolean {
    const count = this.settings.sendsFirst ? sendBytes(this.fd, bytes, length) : 0;
    if (count > 0) this.countWritten(count);
    if (count === length) {
      if (callback !== undefined) nextTick(callback);
      return true;
    }
    if (count >= 0) return this.#enqueue(bytes.subarray(count, length), callback);
    if (count === FULL) return this.#enqueue(bytes.subarray(0, length), callback);
    const error = new SystemError('send', count, { fd: this.fd });
    if (callback !== undefined) nextTick(callback, error);
    this.#afterWrite(error);
    return false;
  }

  #enqueue(bytes: Uint8Array, callback: WriteCallback | undefined): boolean {
    const queue = this.openQueue();
    queue.add(bytes, callback);
    const error = queue.excessError(this.maxQueuedBytes, this.fd);
    if (error !== null) this.#afterWrite(error);
    else if (queue.count === 1) this.#afterWrite('full');
    if (error === null && queue.bytes < this.settings.highWaterMark) return true;
    queue.drainOwed = true;
    return false;
  }

  /**
   * Send from the queue `now`, or when EPOLLOUT says so. The callbacks of what is sent are called, and
   * may do anything; one that comes here leaves the rest to the flush that has called it.
   */
  #flush(now: boolean): void {
    const { queue, settings } = this;
    let left = settings.writeQuantumBytes;
    let outcome: WriteOutcome = now ? 'empty' : 'full';
    if (queue === null || queue.isSettling) return;
    while (outcome === 'empty' && queue.wantsWritable && this.state.sends) {
      outcome = queue.flush(this.fd, left, settings.loop.now);
      if (queue.taken > 0 || outcome === 'empty') this.countWritten(queue.taken);
      left -= queue.taken;
      queue.settle();
    }
    this.#afterWrite(outcome);
  }

  /** The one place that acts on a write: the epoll mask, deadline, next turn, FIN, `drain`, close. */
  #afterWrite(outcome: WriteOutcome): void {
    const { queue, state } = this;
    if (!state.sends) return;
    if (outcome instanceof Error) {
      this.enter(state.writeFailed());
      // Not at once: the caller is in the middle of a write, and expects no event yet.
      nextTick(() => this.destroy(outcome));
      return;
    }
    if (queue?.idle === true) this.queue = null;
    this.applyInterest();
    this.settings.deadlines.arm(this);
    if (outcome === 'turn-spent' && this.isEdge) this.registration.requeue(EPOLLOUT);
    if (queue === null || !queue.empty) return;
    if (state.writing === 'finishing') return this.#sendFin();
    if (!queue.drainOwed || !state.writable) return;
    queue.drainOwed = false;
    guarded(this.loop, () => this.#handler.onDrain?.(this));
  }

  /** Everything is sent: our FIN. ENOTCONN means that the peer reset the connection meanwhile. */
  #sendFin(): void {
    this.enter(this.state.endSent());
    const outcome = shutdown(this.fd, SHUT_WR);
    if (outcome !== -ENOTCONN) unwrap(outcome, 'shutdown', { fd: this.fd });
    if (this.state.reading === 'ended') this.destroy();
  }

  // Closing, in three steps.

  /** The one way to the state CLOSED. The fd is left alone if it `isGone`. */
  #close(error: Error | undefined, isGone = false): void {
    const { fd, queue } = this;
    this.#stopWatching(error);
    this.#settle(queue, error);
    // Last, so that the number cannot be used again while any code takes it for this connection's.
    if (!isGone) unwrap(closeOwned(fd), 'close', { fd });
  }

  /** Step 1: no event, no deadline and no write reaches this connection any more. */
  #stopWatching(error: Error | undefined): void {
    const { buffers, deadlines } = this.settings;
    this.enter(CLOSED);
    this.#error = error;
    this.queue = null;
    if (buffers.gather.isOf(this)) buffers.gather.drop();
    this.registration.remove();
    deadlines.close(this);
  }

  /** Step 2: every write that waits gets its callback, then the handler hears of it, then the owner. */
  #settle(queue: SendQueue | null, error: Error | undefined): void {
    queue?.fail(error ?? closedError());
    guarded(this.loop, () => this.#handler.onClose?.(this, error));
    this.settings.owner.onConnectionClose(this);
  }
}
