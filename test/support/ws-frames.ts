/** Frames as a client sends them: masked. Written from RFC 6455, section 5.2, for the tests alone. */

/** What a client says first; the nonce is that of RFC 6455, section 1.2. */
export const UPGRADE_REQUEST =
  'GET / HTTP/1.1\r\nHost: example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

export interface FrameOptions {
  final?: boolean;
  reserved?: number;
  masked?: boolean;
  key?: number;
}

export const TEXT = 1;
export const BINARY = 2;
export const CONTINUATION = 0;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

export function clientFrame(
  opcode: number,
  payload: string | Buffer = '',
  { final = true, reserved = 0, masked = true, key = 0x37fa213d }: FrameOptions = {},
): Buffer {
  const data = Buffer.from(payload);
  const head: number[] = [(final ? 0x80 : 0) | (reserved << 4) | opcode];
  const mask = masked ? 0x80 : 0;
  if (data.length < 126) head.push(mask | data.length);
  else if (data.length < 65_536) head.push(mask | 126, data.length >> 8, data.length & 255);
  else {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(data.length));
    head.push(mask | 127, ...length);
  }
  if (!masked) return Buffer.concat([Buffer.from(head), data]);
  const keyBytes = Buffer.alloc(4);
  keyBytes.writeUInt32BE(key >>> 0);
  const body = data.map((byte, index) => byte ^ (keyBytes[index % 4] as number));
  return Buffer.concat([Buffer.from(head), keyBytes, body]);
}

export function closeFrame(code: number, reason = ''): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return clientFrame(CLOSE, payload);
}

/** The frames a server sent, which are not masked. */
export function parseServerFrames(bytes: Buffer): { opcode: number; payload: Buffer }[] {
  const frames: { opcode: number; payload: Buffer }[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const second = bytes[at + 1] as number;
    if ((second & 0x80) !== 0) throw new Error('a server frame is masked');
    let length = second;
    let head = 2;
    if (second === 126) {
      length = bytes.readUInt16BE(at + 2);
      head = 4;
    } else if (second === 127) {
      length = Number(bytes.readBigUInt64BE(at + 2));
      head = 10;
    }
    const payload = bytes.subarray(at + head, at + head + length);
    if (payload.length < length) throw new Error('a server frame is cut');
    frames.push({ opcode: (bytes[at] as number) & 0x0f, payload });
    at += head + length;
  }
  return frames;
}
