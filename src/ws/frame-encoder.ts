/** Frames as a server sends them (RFC 6455, section 5.2): whole, and not masked. */

import { checkInteger, checkPart } from '../base/check';
import { OPCODE_BINARY, OPCODE_PING, OPCODE_PONG, OPCODE_TEXT } from './protocol';

const FIN = 0x80;
const MAX_OPCODE = 0x0f;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
/** The longest head of an unmasked frame. */
const HEAD_BYTES = 10;

/** Heads are made in this one buffer; copy a head to keep it. */
const scratch = Buffer.alloc(HEAD_BYTES);
const heads = [2, 4, 10].map((length) => scratch.subarray(0, length));
const [SHORT_HEAD, MEDIUM_HEAD, LONG_HEAD] = heads as [Buffer, Buffer, Buffer];

/** The head of a frame with `length` bytes of payload. Overwritten by the next call. */
export function frameHead(opcode: number, length: number): Buffer {
  scratch[0] = FIN | opcode;
  if (length < LENGTH_16) {
    scratch[1] = length;
    return SHORT_HEAD;
  }
  if (length <= 0xffff) {
    scratch[1] = LENGTH_16;
    scratch.writeUInt16BE(length, 2);
    return MEDIUM_HEAD;
  }
  scratch[1] = LENGTH_64;
  scratch.writeUInt32BE(Math.floor(length / 0x1_0000_0000), 2);
  scratch.writeUInt32BE(length >>> 0, 6);
  return LONG_HEAD;
}

/**
 * A whole frame in memory of its own: made once, it can be sent to any number of connections.
 * Throws a TypeError or RangeError for a wrong opcode (0 to 15) or payload.
 */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  checkInteger('opcode', opcode, 0, MAX_OPCODE);
  checkPart(payload, undefined, 'payload');
  return Buffer.concat([frameHead(opcode, payload.byteLength), payload]);
}

/**
 * Whether `bytes` are a result of {@link encodeFrame}: one whole frame, of a message, a ping or a
 * pong. Not a close frame: after it the socket must close, see `close`.
 */
export function isSendableFrame(bytes: Uint8Array): boolean {
  if (bytes.byteLength < 2) return false;
  const opcode = byteAt(bytes, 0) ^ FIN;
  const second = byteAt(bytes, 1);
  const isKnown = opcode === OPCODE_TEXT || opcode === OPCODE_BINARY;
  if (!isKnown && opcode !== OPCODE_PING && opcode !== OPCODE_PONG) return false;
  const { byteLength } = bytes;
  if (second < LENGTH_16) return byteLength === 2 + second;
  if (!isKnown || byteLength < 4) return false;
  if (second === LENGTH_16) return byteLength === 4 + ((byteAt(bytes, 2) << 8) | byteAt(bytes, 3));
  if (second !== LENGTH_64 || byteLength < HEAD_BYTES) return false;
  let length = 0;
  for (let at = 2; at < HEAD_BYTES; at += 1) length = length * 256 + byteAt(bytes, at);
  return byteLength === HEAD_BYTES + length;
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

/** The payload of a close frame (section 5.5.1). */
export function closePayload(code: number, reason: string): Buffer {
  const payload = Buffer.allocUnsafe(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}
