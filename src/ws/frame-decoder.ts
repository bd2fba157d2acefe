/**
 * The receiving side of RFC 6455 for a server: bytes in, messages out, no I/O.
 *
 * Bytes may arrive in any pieces. `push` delivers every complete message of a piece before it
 * returns, control frames also between the fragments of a message. A violation is refused at the
 * earliest byte that shows it: a head when it is complete, a text at the first byte that cannot be
 * UTF-8, a message when its announced size exceeds the limit.
 *
 * A message that lies whole in one piece is unmasked there and delivered as a view; only messages
 * in several pieces are copied together.
 */

import { ByteAccumulator } from '../bytes/byte-accumulator';
import type { ViewCache } from '../bytes/view-cache';
import { unmask } from './mask';
import {
  CLOSE_INVALID_DATA,
  CLOSE_NO_STATUS,
  CLOSE_POLICY_VIOLATION,
  CLOSE_PROTOCOL_ERROR,
  CLOSE_TOO_BIG,
  isSendableCloseCode,
  OPCODE_BINARY,
  OPCODE_CLOSE,
  OPCODE_CONTINUATION,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
} from './protocol';
import { isWholeUtf8, Utf8Validator } from './utf8-validator';

/** Receives the decoded messages and frames. */
export interface FrameSink {
  /** A whole message. `data` is valid during the call. */
  onMessage(data: Buffer, isBinary: boolean): void;
  /** A ping; `data` is valid during the call. */
  onPing(data: Buffer): void;
  /** A pong; `data` is valid during the call. */
  onPong(data: Buffer): void;
  /** A close frame; `code` is 1005 if it had none. No call follows. */
  onCloseFrame(code: number, reason: string): void;
}

/** Limits for a peer's messages. */
export interface FrameLimits {
  /** Bytes of one message, all fragments together. */
  maxMessageBytes: number;
  /** Fragments of one message. */
  maxFragments: number;
}

/** The reason to refuse a peer: the close code to send, and a text. */
export interface FrameViolation {
  code: number;
  reason: string;
}

const FIN = 0x80;
const RSV = 0x70;
const OPCODE = 0x0f;
const MASKED = 0x80;
const LENGTH = 0x7f;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const KEY_BYTES = 4;
const MAX_HEAD_BYTES = 14;
const MAX_CONTROL_BYTES = 125;
/** A small integer of V8 in any build. */
const MAX_FRAME_NUMBER = 0x3fff_ffff;

/**
 * `head`: between frames, or in the head of one. `payload`: in the payload of one. `stopped`: by a
 * close frame, a violation or {@link FrameDecoder.stop}; all later bytes are ignored.
 */
type DecoderState = 'head' | 'payload' | 'stopped';

/** Decodes the bytes of one client. */
export class FrameDecoder {
  readonly #limits: FrameLimits;
  #state: DecoderState = 'head';
  /** A head cut by the end of a piece, and the length of the received part. */
  #cutHead: Buffer | null = null;
  #cutHeadBytes = 0;
  // The frame being read.
  #final = false;
  #opcode = 0;
  #payloadLeft = 0;
  #key = 0;
  // The message being read, if it is cut or fragmented; 0 if there is none.
  #messageOpcode = 0;
  #fragments = 0;
  /** Counts heads, from 1 on. */
  #frames = 0;
  #message: ByteAccumulator | null = null;
  #utf8: Utf8Validator | null = null;
  /** A control frame cut by the end of a piece. */
  #control: ByteAccumulator | null = null;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** A number for the frame under way, unique among its neighbours; 0 for none. */
  get frameUnderWay(): number {
    return this.#state === 'payload' && this.#payloadLeft > 0 ? this.#frames : 0;
  }

  /** Ignore everything from now on. */
  stop(): void {
    this.#state = 'stopped';
    this.#cutHead = null;
    this.#message = null;
    this.#control = null;
  }

  /**
   * Decode the next bytes; `chunk` is unmasked in place. Returns null, or the violation that ends
   * the decoding. `views` may make the views of `chunk` instead of `subarray`.
   */
  push(chunk: Buffer, sink: FrameSink, views: ViewCache | null = null): FrameViolation | null {
    let at = 0;
    while (at < chunk.length || (this.#state === 'payload' && this.#payloadLeft === 0)) {
      if (this.#state === 'stopped') return null;
      if (this.#state === 'head') {
        at = this.#readHead(chunk, at);
        // #readHead may change the state, which the compiler cannot know.
        if ((this.#state as DecoderState) !== 'payload') continue;
        const violation = this.#checkHead();
        if (violation !== null) return this.#refuse(violation);
      }
      const end = Math.min(at + this.#payloadLeft, chunk.length);
      this.#key = unmask(chunk, at, end, this.#key);
      this.#payloadLeft -= end - at;
      const piece = views === null ? chunk.subarray(at, end) : views.view(at, end);
      at = end;
      const violation = this.#takePayload(piece, sink);
      if (violation !== null) return this.#refuse(violation);
    }
    return null;
  }

  // ---- heads

  /** Read a head from `at` on. Returns its end; the state shows whether it was complete. */
  #readHead(chunk: Buffer, at: number): number {
    if (this.#cutHeadBytes === 0) {
      const bytes = headBytes(chunk, at, chunk.length - at);
      if (bytes <= chunk.length - at) {
        this.#parseHead(chunk, at, bytes);
        return at + bytes;
      }
    }
    return this.#readCutHead(chunk, at);
  }

  #readCutHead(chunk: Buffer, at: number): number {
    this.#cutHead ??= Buffer.allocUnsafe(MAX_HEAD_BYTES);
    const head = this.#cutHead;
    let next = at;
    while (next < chunk.length) {
      head[this.#cutHeadBytes] = chunk[next] as number;
      this.#cutHeadBytes += 1;
      next += 1;
      if (this.#cutHeadBytes < headBytes(head, 0, this.#cutHeadBytes)) continue;
      this.#parseHead(head, 0, this.#cutHeadBytes);
      this.#cutHead = null;
      this.#cutHeadBytes = 0;
      break;
    }
    return next;
  }

  #parseHead(head: Buffer, at: number, bytes: number): void {
    const first = head[at] as number;
    const second = head[at + 1] as number;
    this.#final = (first & FIN) !== 0;
    // The reserved bits stay in the opcode, so that no frame with one of them looks like a known
    // one.
    this.#opcode = first & (RSV | OPCODE);
    this.#payloadLeft = payloadLength(head, at, second & LENGTH);
    // Without a key the length is negative, which #checkHead refuses.
    if ((second & MASKED) === 0) this.#payloadLeft = UNMASKED;
    else this.#key = head.readInt32LE(at + bytes - KEY_BYTES);
    this.#frames = (this.#frames % MAX_FRAME_NUMBER) + 1;
    this.#state = 'payload';
  }

  #checkHead(): FrameViolation | null {
    if ((this.#opcode & RSV) !== 0) return protocolError('a reserved bit is set');
    if (this.#payloadLeft === UNMASKED) return protocolError('a client must mask its frames');
    if (this.#payloadLeft === NOT_MINIMAL) return protocolError('a length is not minimal');
    if (this.#opcode >= OPCODE_CLOSE) return this.#checkControlHead();
    if (this.#opcode > OPCODE_BINARY) return protocolError(`unknown opcode ${this.#opcode}`);
    return this.#checkDataHead();
  }

  #checkControlHead(): FrameViolation | null {
    if (this.#opcode > OPCODE_PONG) return protocolError(`unknown opcode ${this.#opcode}`);
    if (!this.#final) return protocolError('a control frame must not be fragmented');
    if (this.#payloadLeft > MAX_CONTROL_BYTES) return protocolError('a control frame is too long');
    return null;
  }

  #checkDataHead(): FrameViolation | null {
    const isContinuation = this.#opcode === OPCODE_CONTINUATION;
    if (isContinuation && this.#messageOpcode === 0) {
      return protocolError('a continuation without a message');
    }
    if (!isContinuation && this.#messageOpcode !== 0) {
      return protocolError('a new message before the end of the last');
    }
    const { maxMessageBytes, maxFragments } = this.#limits;
    if ((this.#message?.length ?? 0) + this.#payloadLeft > maxMessageBytes) {
      return { code: CLOSE_TOO_BIG, reason: `a message is longer than ${maxMessageBytes} bytes` };
    }
    if (!isContinuation) this.#messageOpcode = this.#opcode;
    this.#fragments += 1;
    if (this.#fragments > maxFragments) {
      const reason = `a message has more than ${maxFragments} fragments`;
      return { code: CLOSE_POLICY_VIOLATION, reason };
    }
    return null;
  }

  // ---- payloads

  #takePayload(piece: Buffer, sink: FrameSink): FrameViolation | null {
    const isDone = this.#payloadLeft === 0;
    if (isDone) this.#state = 'head';
    if (this.#opcode >= OPCODE_CLOSE) return this.#takeControl(piece, isDone, sink);
    const isLast = isDone && this.#final;
    if (isLast && this.#message === null) return this.#takeWhole(piece, sink);
    return this.#takePart(piece, isLast, sink);
  }

  /** A message in one frame and one piece. */
  #takeWhole(data: Buffer, sink: FrameSink): FrameViolation | null {
    const isBinary = this.#messageOpcode === OPCODE_BINARY;
    this.#messageOpcode = 0;
    this.#fragments = 0;
    if (!isBinary && !isWholeUtf8(data)) return invalidText();
    sink.onMessage(data, isBinary);
    return null;
  }

  #takePart(piece: Buffer, isLast: boolean, sink: FrameSink): FrameViolation | null {
    this.#message ??= new ByteAccumulator();
    this.#message.append(piece);
    const isText = this.#messageOpcode === OPCODE_TEXT;
    if (isText) {
      this.#utf8 ??= new Utf8Validator();
      if (!this.#utf8.push(piece)) return invalidText();
      if (isLast && !this.#utf8.complete) return invalidText();
    }
    if (!isLast) return null;
    const data = this.#message.take();
    this.#message = null;
    this.#utf8 = null;
    this.#messageOpcode = 0;
    this.#fragments = 0;
    sink.onMessage(data, !isText);
    return null;
  }

  #takeControl(piece: Buffer, isDone: boolean, sink: FrameSink): FrameViolation | null {
    let data = piece;
    if (!isDone || this.#control !== null) {
      this.#control ??= new ByteAccumulator();
      this.#control.append(piece);
      if (!isDone) return null;
      data = this.#control.take();
      this.#control = null;
    }
    if (this.#opcode === OPCODE_PING) sink.onPing(data);
    else if (this.#opcode === OPCODE_PONG) sink.onPong(data);
    else return this.#takeClose(data, sink);
    return null;
  }

  #takeClose(data: Buffer, sink: FrameSink): FrameViolation | null {
    if (data.length === 1) return protocolError('a close frame with half a code');
    const code = data.length === 0 ? CLOSE_NO_STATUS : data.readUInt16BE(0);
    if (data.length > 0 && !isSendableCloseCode(code)) {
      return protocolError(`close code ${code} must not be sent`);
    }
    const reason = data.subarray(2);
    if (!isWholeUtf8(reason)) return invalidText();
    this.stop();
    sink.onCloseFrame(code, reason.toString());
    return null;
  }

  #refuse(violation: FrameViolation): FrameViolation {
    this.stop();
    return violation;
  }
}

/** Instead of a payload length: the frame has no masking key. */
const UNMASKED = -1;
/** Instead of a payload length: its encoding has more bytes than necessary. */
const NOT_MINIMAL = -2;

/** Bytes of the head at `at`, or more than `available` if these do not suffice to know. */
function headBytes(head: Buffer, at: number, available: number): number {
  if (available < 2) return 2;
  const second = head[at + 1] as number;
  const length = second & LENGTH;
  const lengthBytes = length === LENGTH_16 ? 2 : length === LENGTH_64 ? 8 : 0;
  return 2 + lengthBytes + ((second & MASKED) !== 0 ? KEY_BYTES : 0);
}

/**
 * Also refuses a longer form than necessary (section 5.2): a filter on the way may read only the
 * short one.
 */
function payloadLength(head: Buffer, at: number, length: number): number {
  if (length < LENGTH_16) return length;
  if (length === LENGTH_16) {
    const short = head.readUInt16BE(at + 2);
    return short < LENGTH_16 ? NOT_MINIMAL : short;
  }
  // Past 2**53 the sum is not exact, but far past every limit all the same.
  const long = head.readUInt32BE(at + 2) * 0x1_0000_0000 + head.readUInt32BE(at + 6);
  return long <= 0xffff ? NOT_MINIMAL : long;
}

function protocolError(reason: string): FrameViolation {
  return { code: CLOSE_PROTOCOL_ERROR, reason };
}

function invalidText(): FrameViolation {
  return { code: CLOSE_INVALID_DATA, reason: 'a text is not UTF-8' };
}
