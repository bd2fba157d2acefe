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
import { invalidType, outOfRange, refuseExtra } from '../base/check';
import type { WriteCallback } from '../bytes/write-queue';
import { type TimerEntry, UNSCHEDULED } from '../loop/timer-lists';
import type { ConnectionHandler, TcpConnection } from '../net/connection/connection';
import { buffersOf, type IoBuffers } from '../net/connection/io-buffers';
import { AnswerWatch } from './answer-watch';
import { NOTHING_AWAITED, OVERDUE } from './awaited-answer';
import { FrameDecoder, type FrameLimits, type FrameSink } from './frame-decoder';
import { closePayload, frameHead, isSendableFrame } from './frame-encoder';
import { PongQueue } from './pong-queue';
import {
  CLOSE_ABNORMAL,
  CLOSE_NO_STATUS,
  CLOSE_NORMAL,
  checkClose,
  MAX_CONTROL_BYTES,
  OPCODE_BINARY,
  OPCODE_CLOSE,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
} from './protocol';

const { isUint8Array } = types;

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
  /** A failure of the connection or the peer. Needs no listener: `close` follows. */
  error: [error: Error];
  /**
   * The connection is gone. `code` and `reason` are those of the peer's close frame; 1006 if it sent
   * none (section 7.1.5).
   */
  close: [code: number, reason: string];
}

/** Options of {@link WebSocketConnection.send}. */
export interface SendOptions {
  /** Send a binary message; the default for bytes. Strings are always text. */
  binary?: boolean;
  /** Called once, later: without an argument when the kernel has the message, or with the error. */
  callback?: WriteCallback;
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

const EMPTY = Buffer.alloc(0);

/** A WebSocket. Made by {@link WebSocketServer}. */
export class WebSocketConnection
  extends EventEmitter<WebSocketEvents>
  implements ConnectionHandler, FrameSink, TimerEntry
{
  /** The chosen subprotocol; empty if none. */
  readonly protocol: string;
  /** For the user's data about this socket. Not touched here. */
  attachment: unknown = undefined;
  readonly #connection: TcpConnection;
  readonly #settings: WebSocketSettings;
  readonly #owner: WebSocketOwner;
  readonly #decoder: FrameDecoder;
  readonly #buffers: IoBuffers;
  #state: SocketState = 'open';
  /** For the timer wheel, which maintains it. */
  timerIndex: number = UNSCHEDULED;
  /** Made by the first awaited answer. */
  #watch: AnswerWatch | null = null;
  /** Made by the first ping that finds a non-empty queue. */
  #pongs: PongQueue | null = null;
  #pingedAt = 0;
  #closeCode = CLOSE_ABNORMAL;
  #closeReason = '';

  /** Takes `connection` over, after the 101 response was written. */
  constructor(
    connection: TcpConnection,
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
    connection.handOverTo(this);
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
  get connection(): TcpConnection {
    return this.#connection;
  }

  get remoteAddress(): string | undefined {
    return this.#connection.remoteAddress;
  }

  /**
   * Send a message: a string as text, bytes as a binary message unless `binary` is false. Waiting
   * bytes are kept by reference, see {@link TcpConnection.write}.
   *
   * Returns false when the queue has reached the high-water mark (then wait for `drain`), and when
   * the socket is not open any more.
   */
  send(data: string | Uint8Array, options?: SendOptions, noMore?: never): boolean {
    const extra = typeof options === 'function' ? options : noMore;
    refuseExtra('send', extra, 'the callback is an option, { callback }');
    if (typeof data === 'string') {
      return this.#sendFrame(OPCODE_TEXT, Buffer.from(data), options?.callback);
    }
    if (!isUint8Array(data)) throw invalidType('data', 'a string, a Buffer or a Uint8Array', data);
    const opcode = options?.binary === false ? OPCODE_TEXT : OPCODE_BINARY;
    return this.#sendFrame(opcode, data, options?.callback);
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

  /** Send a ping of up to 125 bytes. The peer answers it; see the event `pong`. */
  ping(data: Uint8Array = EMPTY, noMore?: never): boolean {
    refuseExtra('ping', noMore, 'listen to "pong"');
    if (!isUint8Array(data)) throw invalidType('data', 'a Buffer or a Uint8Array', data);
    if (data.byteLength > MAX_CONTROL_BYTES) {
      throw outOfRange('data.byteLength', `<= ${MAX_CONTROL_BYTES}`, data.byteLength);
    }
    return this.#sendFrame(OPCODE_PING, data, undefined);
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

  /** For the server: bytes that arrived together with the upgrade request. */
  receive(chunk: Buffer): void {
    if (chunk.length > 0) this.#decode(chunk, null);
  }

  // ---- for the connection

  onData(_connection: TcpConnection, chunk: Buffer): void {
    this.#decode(chunk, this.#buffers);
  }

  onEnd(connection: TcpConnection): void {
    connection.end();
  }

  onDrain(): void {
    this.emit('drain');
  }

  onShutdown(): void {
    const { code, reason } = this.#settings.goingAway;
    this.close(code, reason);
  }

  onClose(connection: TcpConnection, error: Error | undefined): void {
    this.#state = 'closed';
    this.#decoder.stop();
    connection.loop.timers.cancel(this);
    if (error !== undefined) this.#emitSafely(() => this.emit('error', error));
    this.#emitSafely(() => this.emit('close', this.#closeCode, this.#closeReason));
    this.#owner.onSocketClose(this);
  }

  // ---- for the decoder

  onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#state !== 'open') return;
    try {
      this.emit('message', data, isBinary);
    } catch (error) {
      this.#connection.loop.uncaught(error);
    }
  }

  onPing(data: Buffer): void {
    if (this.#state !== 'open') return;
    this.#sendPong(data);
    this.#emitSafely(() => this.emit('ping', data));
  }

  onPong(data: Buffer): void {
    if (this.#state === 'open') this.#watch?.answered();
    this.#emitSafely(() => this.emit('pong', data));
  }

  onCloseFrame(code: number, reason: string): void {
    this.#closeCode = code;
    this.#closeReason = reason;
    if (this.#state === 'open') {
      const echo = code === CLOSE_NO_STATUS ? EMPTY : closePayload(code, reason);
      this.#sendFrame(OPCODE_CLOSE, echo, undefined);
    }
    this.#endConnection();
  }

  /** For the timer wheel: the heartbeat while open, the deadline of closing after that. */
  onTimer(): void {
    const isOpen = this.#state === 'open';
    const frame = this.#decoder.frameUnderWay;
    const waitMs = this.#watch?.look(frame, isOpen) ?? NOTHING_AWAITED;
    if (waitMs > 0) return this.#schedule(waitMs);
    if (!isOpen) return this.#connection.destroy();
    if (waitMs === OVERDUE) {
      const text = `no pong within ${this.#settings.pingIntervalMs} ms`;
      this.#connection.destroy(Object.assign(new Error(text), { code: 'ERR_PONG_TIMEOUT' }));
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
    const error = Object.assign(new Error(`WebSocket peer refused: ${reason}`), {
      code: 'ERR_WEBSOCKET_PROTOCOL',
      closeCode: code,
    });
    this.#emitSafely(() => this.emit('error', error));
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
      if (callback !== undefined) process.nextTick(callback, notOpenError());
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

function notOpenError(): Error {
  return Object.assign(new Error('the WebSocket is not open'), { code: 'ERR_WEBSOCKET_NOT_OPEN' });
}
