/**
 * One WebSocket of a server: RFC 6455 on a connection of the loop.
 *
 * It emits messages as the `ws` package does, `(data, isBinary)`, with one difference: `data` is
 * valid only during the call, so copy what you keep (`Buffer.from(data)`, or `data.toString()`).
 *
 * The connection stays lean: no stream, no HTTP parser, no timer of its own, one object more than
 * TCP. Nothing blocks; a peer that does not read meets the connection's write deadline.
 */
import { types } from 'node:util';
import { EventEmitter } from 'eventemitter3';
import { invalidType, refuseExtra } from '../base/check';
import { pongTimeout, webSocketNotOpen, webSocketProtocol } from '../base/errors';
import { reportPeer } from '../base/unheard';
import type { WriteCallback } from '../bytes/write-queue';
import { UNSCHEDULED } from '../loop/timer-lists';
import type { StreamConnection } from '../net/connection/connection';
import { buffersOf, type IoBuffers } from '../net/connection/io-buffers';
import { AnswerWatch } from './answer-watch';
import { NOTHING_AWAITED, OVERDUE } from './awaited-answer';
import { FrameDecoder, type FrameLimits } from './frame-decoder';
import { closePayload, frameHead, isSendableFrame } from './frame-encoder';
import { PongQueue } from './pong-queue';
import {
  CLOSE_ABNORMAL,
  CLOSE_NO_STATUS,
  CLOSE_NORMAL,
  checkClose,
  OPCODE_CLOSE,
  OPCODE_PING,
  OPCODE_PONG,
} from './protocol';
import {
  callbackOf,
  controlCallback,
  controlData,
  opcodeOf,
  optionsOf,
  type SendOptions,
} from './send-arguments';

/** Events of a {@link WebSocketConnection}. */
export interface WebSocketEvents {
  /** A whole message. The view is overwritten after the call: copy what you keep. */
  message: [data: Buffer, isBinary: boolean];
  /** A ping; it has been answered. */
  ping: [data: Buffer];
  /** A pong. */
  pong: [data: Buffer];
  /** The queue is empty again after `send` returned false. */
  drain: [];
  /** A failure of the connection or the peer. A listener is optional: `close` has the error too. */
  error: [error: Error];
  /**
   * The connection is gone. `code` and `reason` are those of the peer's close frame; 1006 if it sent
   * none (section 7.1.5). `error` is what was wrong, if anything was, as in `error`.
   */
  close: [code: number, reason: string, error?: Error];
}

/** Settings that all sockets of one server share. */
export interface WebSocketSettings extends FrameLimits {
  readonly pingIntervalMs: number;
  readonly closeTimeoutMs: number;
  /** The code and reason sent when the server shuts down. */
  readonly goingAway: { code: number; reason: string };
}

/** Called last when a socket is gone. */
export interface WebSocketOwner {
  onSocketClose(socket: WebSocketConnection): void;
}

/**
 * `open`. `closing`: our close frame is sent, the peer's awaited. `ending`: both are sent, the FIN
 * is awaited. `closed`.
 */
type SocketState = 'open' | 'closing' | 'ending' | 'closed';

const { isUint8Array } = types;
const EMPTY = Buffer.alloc(0);

type ControlArgument = string | Uint8Array | WriteCallback;

/**
 * A WebSocket. Made by {@link WebSocketServer}. An emitter of eventemitter3: `instanceof` the
 * EventEmitter of node:events is false.
 */
export class WebSocketConnection extends EventEmitter<WebSocketEvents> {
  /** The subprotocol that was agreed on; empty if none. */
  readonly protocol: string;
  /** For the user's data about this socket. Not touched here. */
  attachment: unknown = undefined;
  readonly #connection: StreamConnection;
  readonly #settings: WebSocketSettings;
  readonly #owner: WebSocketOwner;
  readonly #decoder: FrameDecoder;
  readonly #buffers: IoBuffers;
  #state: SocketState = 'open';
  /** For the timer wheel, which maintains it. @internal */
  timerIndex: number = UNSCHEDULED;
  /** Made by the first awaited answer. */
  #watch: AnswerWatch | null = null;
  /** Made by the first ping that finds a non-empty queue. */
  #pongs: PongQueue | null = null;
  #pingedAt = 0;
  #closeCode = CLOSE_ABNORMAL;
  #closeReason = '';
  /** The peer's violation of the protocol. */
  #violation: Error | null = null;

  /** Takes `connection` over, after the 101 response was written. */
  constructor(
    connection: StreamConnection,
    {
      settings,
      owner,
      protocol,
    }: { settings: WebSocketSettings; owner: WebSocketOwner; protocol: string | null },
  ) {
    super();
    this.protocol = protocol ?? '';
    this.#owner = owner;
    this.#connection = connection;
    this.#settings = settings;
    this.#decoder = new FrameDecoder(settings);
    this.#buffers = buffersOf(connection.loop);
    connection.setHandler(this);
    connection.resume();
    if (settings.pingIntervalMs > 0) this.#schedule(settings.pingIntervalMs);
  }

  /** Whether messages can be sent. */
  get open(): boolean {
    return this.#state === 'open';
  }

  /** Bytes that the kernel has not taken yet. */
  get bufferedAmount(): number {
    return this.#connection.queuedBytes;
  }

  /** The connection under this socket: addresses and byte counts. */
  get connection(): StreamConnection {
    return this.#connection;
  }

  get remoteAddress(): string | undefined {
    return this.#connection.remoteAddress;
  }

  /**
   * Send a message: a string as text, bytes as a binary message unless `binary` is false. Bytes that
   * must wait are kept by reference, see {@link StreamConnection.write}.
   *
   * Returns false when the queue has reached the high-water mark (then wait for `drain`), and when
   * the socket is not open any more. Throws a TypeError for what is no message, and one that names an
   * option that does not exist; then nothing is sent and `callback` is not called.
   */
  send(data: string | Uint8Array, callback?: WriteCallback): boolean;
  send(data: string | Uint8Array, options?: SendOptions, callback?: WriteCallback): boolean;
  send(
    data: string | Uint8Array,
    second?: SendOptions | WriteCallback,
    third?: WriteCallback,
    noMore?: never,
  ): boolean {
    const opcode = opcodeOf(data, optionsOf(second)?.binary);
    const callback = callbackOf(second, third, noMore);
    return this.#sendFrame(opcode, typeof data === 'string' ? Buffer.from(data) : data, callback);
  }

  /**
   * Send a frame from {@link encodeFrame}: the same bytes for any number of sockets. Throws a
   * TypeError for anything but one whole frame of a message, a ping or a pong.
   */
  sendEncoded(frame: Uint8Array): boolean {
    if (!isUint8Array(frame) || !isSendableFrame(frame)) {
      throw invalidType('frame', 'a frame made by encodeFrame', frame);
    }
    return this.#state === 'open' && this.#connection.write(frame);
  }

  /**
   * Send a ping of up to 125 bytes; the peer answers it, see the event `pong`. `mask` and `callback`
   * as in the package `ws`: a server does not mask, and `callback` is called as that of {@link send}.
   */
  ping(callback?: WriteCallback): boolean;
  ping(data: string | Uint8Array, callback?: WriteCallback): boolean;
  ping(data: string | Uint8Array | undefined, mask?: false, callback?: WriteCallback): boolean;
  ping(data?: ControlArgument, second?: unknown, third?: unknown): boolean {
    const callback = controlCallback('ping', data, second, third);
    return this.#sendFrame(OPCODE_PING, controlData(data), callback);
  }

  /** Send a pong without a ping of the peer, as {@link ping}. Pings are answered without it. */
  pong(callback?: WriteCallback): boolean;
  pong(data: string | Uint8Array, callback?: WriteCallback): boolean;
  pong(data: string | Uint8Array | undefined, mask?: false, callback?: WriteCallback): boolean;
  pong(data?: ControlArgument, second?: unknown, third?: unknown): boolean {
    const callback = controlCallback('pong', data, second, third);
    return this.#sendFrame(OPCODE_PONG, controlData(data), callback);
  }

  /**
   * Start the closing handshake. `close` is emitted when the connection is gone, also if the peer
   * does not answer: `closeTimeoutMs` after it has read all sent bytes, or has stopped reading.
   * Throws a RangeError for a code that must not be sent or a reason over 123 bytes.
   */
  close(code: number = CLOSE_NORMAL, reason = '', noMore?: never): void {
    refuseExtra('close', noMore, 'listen to "close"');
    checkClose(code, reason);
    if (this.#state !== 'open') return;
    this.#sendFrame(OPCODE_CLOSE, closePayload(code, reason), undefined);
    this.#state = 'closing';
    this.#await(this.#settings.closeTimeoutMs, false);
  }

  /** Close at once, without a handshake. */
  terminate(): void {
    this.#connection.destroy();
  }

  /** Read no more, so that the peer must stop; received bytes are still delivered. */
  pause(): void {
    this.#connection.pause();
  }

  /** Read again. */
  resume(): void {
    this.#connection.resume();
  }

  /** For the server: bytes that came together with the upgrade request. @internal */
  receive(chunk: Buffer): void {
    if (chunk.length > 0) this.#decode(chunk, null);
  }

  // ---- for the connection

  /** @internal */
  onData(_connection: StreamConnection, chunk: Buffer): void {
    this.#decode(chunk, this.#buffers);
  }

  /** @internal */
  onEnd(connection: StreamConnection): void {
    connection.end();
  }

  /** @internal */
  onDrain(): void {
    this.emit('drain');
  }

  /** @internal */
  onShutdown(): void {
    const { code, reason } = this.#settings.goingAway;
    this.close(code, reason);
  }

  /** @internal */
  onClose(connection: StreamConnection, error: Error | undefined): void {
    this.#state = 'closed';
    this.#decoder.stop();
    connection.loop.timers.cancel(this);
    if (error !== undefined) reportPeer(this, error);
    const failure = error ?? this.#violation;
    const ending = failure === null ? [] : ([failure] as const);
    this.#emitSafely(() => this.emit('close', this.#closeCode, this.#closeReason, ...ending));
    this.#owner.onSocketClose(this);
  }

  // ---- for the decoder

  /** @internal */
  onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#state !== 'open') return;
    try {
      this.emit('message', data, isBinary);
    } catch (error) {
      this.#connection.loop.uncaught(error);
    }
  }

  /** @internal */
  onPing(data: Buffer): void {
    if (this.#state !== 'open') return;
    this.#sendPong(data);
    this.#emitSafely(() => this.emit('ping', data));
  }

  /** @internal */
  onPong(data: Buffer): void {
    if (this.#state === 'open') this.#watch?.answered();
    this.#emitSafely(() => this.emit('pong', data));
  }

  /** @internal */
  onCloseFrame(code: number, reason: string): void {
    this.#closeCode = code;
    this.#closeReason = reason;
    if (this.#state === 'open') {
      const echo = code === CLOSE_NO_STATUS ? EMPTY : closePayload(code, reason);
      this.#sendFrame(OPCODE_CLOSE, echo, undefined);
    }
    this.#endConnection();
  }

  /**
   * For the timer wheel: the heartbeat while open, the deadline of closing after that.
   * @internal
   */
  onTimer(): void {
    const isOpen = this.#state === 'open';
    const frame = this.#decoder.frameUnderWay;
    const waitMs = this.#watch?.look(frame, isOpen) ?? NOTHING_AWAITED;
    if (waitMs > 0) return this.#schedule(waitMs);
    if (!isOpen) return this.#connection.destroy();
    if (waitMs === OVERDUE) {
      this.#connection.destroy(pongTimeout(this.#settings.pingIntervalMs));
    } else {
      this.#beat();
    }
  }

  /** Ping, unless the last one was less than the interval ago. */
  #beat(): void {
    const { pingIntervalMs } = this.#settings;
    const now = performance.now();
    const leftMs = this.#pingedAt === 0 ? 0 : this.#pingedAt + pingIntervalMs - now;
    if (leftMs > 0) return this.#schedule(leftMs);
    this.#pingedAt = now;
    this.#watch ??= new AnswerWatch(this.#connection);
    const wasClear = this.#watch.clear;
    this.ping();
    this.#await(pingIntervalMs, wasClear);
  }

  /** The peer owes an answer to the bytes sent last. */
  #await(limitMs: number, wasClear: boolean): void {
    this.#watch ??= new AnswerWatch(this.#connection);
    const frame = this.#decoder.frameUnderWay;
    this.#schedule(this.#watch.begin(limitMs, { frame, wasClear }));
  }

  /** Waiting pongs are counted. */
  #sendPong(data: Buffer): void {
    if (this.#connection.queuedBytes === 0) {
      this.#sendFrame(OPCODE_PONG, data, undefined);
      return;
    }
    this.#pongs ??= new PongQueue((pong, onSent) => this.#sendFrame(OPCODE_PONG, pong, onSent));
    this.#pongs.push(data);
  }

  #decode(chunk: Buffer, buffers: IoBuffers | null): void {
    const violation = this.#decoder.push(chunk, this, buffers?.views ?? null);
    if (violation === null) return;
    const { code, reason } = violation;
    this.#violation = webSocketProtocol(reason, code);
    reportPeer(this, this.#violation);
    if (this.#state === 'open') this.close(code, reason);
    this.#endConnection();
  }

  /**
   * Both close frames are there, or no more is expected: send our FIN, and await the peer's for a
   * limited time.
   */
  #endConnection(): void {
    if (this.#state === 'closed') return;
    this.#state = 'ending';
    this.#connection.end();
    if (!this.#connection.closed) this.#await(this.#settings.closeTimeoutMs, false);
  }

  #sendFrame(opcode: number, payload: Uint8Array, callback: WriteCallback | undefined): boolean {
    if (this.#state !== 'open') {
      if (callback !== undefined) process.nextTick(callback, webSocketNotOpen());
      return false;
    }
    return this.#connection.writePair(frameHead(opcode, payload.byteLength), payload, callback);
  }

  #schedule(delayMs: number): void {
    this.#connection.loop.timers.schedule(this, delayMs);
  }

  /** A listener that throws must not cost the peer the messages behind this one. */
  #emitSafely(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      this.#connection.loop.uncaught(error);
    }
  }
}
