/** Frames as a server sends them (RFC 6455, section 5.2): whole, and not masked. */

const FIN = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
/** The longest head of an unmasked frame. */
const HEAD_BYTES = 10;

/** Heads are made in this one buffer; whoever sends one copies it. */
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

/** A whole frame in memory of its own: made once, it can be sent to any number of connections. */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  return Buffer.concat([frameHead(opcode, payload.byteLength), payload]);
}

/** The payload of a close frame (section 5.5.1). */
export function closePayload(code: number, reason: string): Buffer {
  const payload = Buffer.allocUnsafe(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}
