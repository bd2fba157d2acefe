/**
 * prlimit(2): read and set the limits of a process. Arguments are checked, results are 0 or -errno.
 */

import { checkInteger, INT32_MAX, invalidType, outOfRange } from '../base/check';
import { RLIMIT_BYTES, RLIMIT_HARD_BYTE } from './abi';
import { declareWide, result } from './libc';

const native = {
  prlimit: declareWide('int', 'prlimit', ['int', 'int', 'void *', 'void *']),
};

/**
 * `struct rlimit`. A limit is a count in the unit of the resource (bytes, seconds, fds), or
 * Infinity, which is RLIM_INFINITY. Numbers and bigints are accepted; reading returns bigints,
 * because the kernel's limits have 64 bits.
 */
export interface ResourceLimit {
  /** `rlim_cur`: the limit that holds. */
  soft: bigint | number;
  /** `rlim_max`: how far the process may raise `soft`; only root may raise this one. */
  hard: bigint | number;
}

const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

const nextBytes = new Uint8Array(RLIMIT_BYTES);
const nextView = new DataView(nextBytes.buffer);
const previousBytes = new Uint8Array(RLIMIT_BYTES);
const previousView = new DataView(previousBytes.buffer);

/**
 * `int prlimit(pid_t pid, int resource, const struct rlimit *new_limit, struct rlimit *old_limit)`
 *
 * Sets the limit of `resource` (RLIMIT_NOFILE and so on) to `next`, if it is not null, and fills
 * `previous`, if it is not null, with the limit that held before: bigints, or Infinity. `pid` 0 is
 * this process. Returns 0, or -EINVAL (no such resource, or `soft` > `hard`), -EPERM (raises `hard`,
 * or another user's process), -ESRCH. Does not block. See prlimit(2).
 */
export function prlimit(
  pid: number,
  resource: number,
  next: Readonly<ResourceLimit> | null,
  previous: ResourceLimit | null,
): number {
  checkInteger('pid', pid, 0, INT32_MAX);
  checkInteger('resource', resource, 0, INT32_MAX);
  const isRead = previous !== null;
  if (isRead && typeof previous !== 'object') {
    throw invalidType('previous', 'an object or null', previous);
  }
  const nextMemory = encodeLimit(next);
  const outcome = result(native.prlimit(pid, resource, nextMemory, isRead ? previousBytes : null));
  if (outcome === 0 && isRead) {
    const soft = decode(previousView.getBigUint64(0, true));
    const hard = decode(previousView.getBigUint64(RLIMIT_HARD_BYTE, true));
    Object.assign(previous, { soft, hard });
  }
  return outcome;
}

function encodeLimit(limit: Readonly<ResourceLimit> | null): Uint8Array | null {
  if (limit === null) return null;
  if (typeof limit !== 'object') throw invalidType('next', 'an object or null', limit);
  const soft = encode('next.soft', limit.soft);
  const hard = encode('next.hard', limit.hard);
  nextView.setBigUint64(0, soft, true);
  nextView.setBigUint64(RLIMIT_HARD_BYTE, hard, true);
  return nextBytes;
}

function encode(name: string, value: unknown): bigint {
  if (value === Infinity) return RLIM_INFINITY;
  if (typeof value === 'bigint') {
    if (value >= 0n && value <= RLIM_INFINITY) return value;
    throw outOfRange(name, `>= 0n and <= ${RLIM_INFINITY}n, or Infinity`, value);
  }
  checkInteger(name, value, 0, Number.MAX_SAFE_INTEGER);
  return BigInt(value as number);
}

function decode(value: bigint): bigint | number {
  return value === RLIM_INFINITY ? Infinity : value;
}
