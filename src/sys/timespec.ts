/** The timeout of epoll_pwait2(2) and ppoll(2): `struct timespec`. */

import { checkInteger, INT32_MAX, invalidType } from '../base/check';
import { TIMESPEC_BYTES, TIMESPEC_NANOSECONDS_BYTE } from './abi';

/** `struct timespec`. `seconds` is 0 to 2**31 - 1, `nanoseconds` 0 to 999,999,999. */
export interface Timespec {
  seconds: number;
  nanoseconds: number;
}

const MAX_NANOSECONDS = 999_999_999;

const bytes = new Uint8Array(TIMESPEC_BYTES);
const view = new DataView(bytes.buffer);

/**
 * The memory of a timeout, or null for null, which is no timeout. Every call uses the same memory:
 * it is for the system call that follows at once.
 */
export function encodeTimeout(timeout: Timespec | null): Uint8Array | null {
  if (timeout === null) return null;
  if (typeof timeout !== 'object') throw invalidType('timeout', 'an object or null', timeout);
  const { seconds, nanoseconds } = timeout;
  checkInteger('timeout.seconds', seconds, 0, INT32_MAX);
  checkInteger('timeout.nanoseconds', nanoseconds, 0, MAX_NANOSECONDS);
  // Some calls write the remaining time to it. Both values fit 31 bits, so the low word is the
  // whole value of a long of either size.
  bytes.fill(0);
  view.setUint32(0, seconds, true);
  view.setUint32(TIMESPEC_NANOSECONDS_BYTE, nanoseconds, true);
  return bytes;
}
