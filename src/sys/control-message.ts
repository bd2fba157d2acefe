/**
 * Control messages, as the macros of cmsg(3) walk and build them: data beside the bytes of a
 * message, such as fds (SCM_RIGHTS) and the sender's identity (SCM_CREDENTIALS).
 */
import { bytesOf, checkInt, checkWhole, dataOf, outOfRange } from '../base/check';
import { alignControl, CMSGHDR, controlSpace, UCRED } from './message-abi';

/** One `struct cmsghdr` with its data. */
export interface ControlMessage {
  /** SOL_SOCKET, IPPROTO_IP and so on. */
  level: number;
  /** SCM_RIGHTS and so on. */
  type: number;
  data: Uint8Array;
}

/** The identity of a process: `struct ucred`. */
export interface Credentials {
  pid: number;
  uid: number;
  gid: number;
}

const DATA_BYTE = alignControl(CMSGHDR.bytes);

/**
 * Append a control message to the `used` bytes in `room`. Returns the new number of used bytes.
 * Throws a RangeError if it does not fit.
 */
export function appendControl(room: Buffer, used: number, message: ControlMessage): number {
  const { level, type, data } = message;
  checkInt('level', level);
  checkInt('type', type);
  const length = checkWhole(data, 'data');
  const start = alignControl(used);
  const end = start + controlSpace(length);
  if (end > room.byteLength) {
    const left = Math.max(0, room.byteLength - start - DATA_BYTE);
    throw outOfRange('data.byteLength', `at most ${left}, for which there is room`, length);
  }
  room.fill(0, start, end);
  room.writeUInt32LE(DATA_BYTE + length, start + CMSGHDR.length);
  room.writeInt32LE(level, start + CMSGHDR.level);
  room.writeInt32LE(type, start + CMSGHDR.type);
  room.set(bytesOf(data), start + DATA_BYTE);
  return end;
}

/** The control messages in `bytes`, with copies of their data. Stops at the first malformed one. */
export function parseControl(bytes: Buffer): ControlMessage[] {
  const messages: ControlMessage[] = [];
  for (let at = 0; at + DATA_BYTE <= bytes.byteLength; ) {
    const length = bytes.readUInt32LE(at + CMSGHDR.length);
    if (length < DATA_BYTE || length > bytes.byteLength - at) break;
    messages.push({
      level: bytes.readInt32LE(at + CMSGHDR.level),
      type: bytes.readInt32LE(at + CMSGHDR.type),
      data: Uint8Array.prototype.slice.call(bytes, at + DATA_BYTE, at + length),
    });
    at += alignControl(length);
  }
  return messages;
}

/** The `struct ucred` in `bytes`: of SCM_CREDENTIALS, or of SO_PEERCRED. */
export function decodeCredentials(bytes: Uint8Array): Credentials {
  const length = checkWhole(bytes, 'bytes');
  if (length < UCRED.bytes) throw outOfRange('bytes.byteLength', `>= ${UCRED.bytes}`, length);
  const view = dataOf(bytes);
  return {
    pid: view.getInt32(UCRED.pid, true),
    uid: view.getUint32(UCRED.uid, true),
    gid: view.getUint32(UCRED.gid, true),
  };
}
