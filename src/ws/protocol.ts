/** The numbers of RFC 6455: opcodes (section 5.2) and close codes (section 7.4). */
import { outOfRange } from '../base/check';

/** The next fragment of a message. */
export const OPCODE_CONTINUATION = 0x0;
/** A message, or its first fragment, in UTF-8. */
export const OPCODE_TEXT = 0x1;
/** A message, or its first fragment, of bytes. */
export const OPCODE_BINARY = 0x2;
/** The first control frame: the sender closes the connection. */
export const OPCODE_CLOSE = 0x8;
/** Asks whether the peer is there. */
export const OPCODE_PING = 0x9;
/** Answers a ping. The last opcode that is defined. */
export const OPCODE_PONG = 0xa;

/** The purpose of the connection is fulfilled. */
export const CLOSE_NORMAL = 1000;
/** The server goes down, or the page is left. */
export const CLOSE_GOING_AWAY = 1001;
/** The peer broke the protocol. */
export const CLOSE_PROTOCOL_ERROR = 1002;
/** The close frame had no code. Never sent. */
export const CLOSE_NO_STATUS = 1005;
/** The connection was lost without a close frame. Never sent. */
export const CLOSE_ABNORMAL = 1006;
/** A text that is not UTF-8. */
export const CLOSE_INVALID_DATA = 1007;
/** A message that breaks a rule of this endpoint. */
export const CLOSE_POLICY_VIOLATION = 1008;
/** A message that is too big. */
export const CLOSE_TOO_BIG = 1009;

/** The maximum of bytes in the payload of a control frame (section 5.5). */
export const MAX_CONTROL_BYTES = 125;
/** The rest behind the code of a close frame. */
const MAX_REASON_BYTES = MAX_CONTROL_BYTES - 2;

/** Throw a RangeError unless a close frame may carry `code` and `reason`. */
export function checkClose(code: number, reason: string): void {
  if (!isSendableCloseCode(code)) throw outOfRange('code', '1000 to 1014 or 3000 to 4999', code);
  if (Buffer.byteLength(reason) > MAX_REASON_BYTES) {
    throw outOfRange('reason', `at most ${MAX_REASON_BYTES} bytes`, reason);
  }
}

/** Whether a close frame may carry `code`: the registered ones of 1000 to 1014, and 3000 to 4999. */
export function isSendableCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}
