/**
 * Memory for a call with an unknown size of reads and writes: the caller's bytes, room behind them,
 * and behind the room a page that no access may touch.
 *
 * If the call goes too far, the kernel ends it with -EFAULT instead of writing into other memory.
 * The memory is mapped for one call: 3 to 5 us, so not for hot paths.
 */
import { type Bytes, bytesOf } from '../base/check';
import { errno } from './errno';
import { declare, declareWide } from './libc';
import { POINTER_BYTES } from './message-abi';

const native = {
  mmap: declareWide('int64_t', 'mmap', ['void *', 'size_t', 'int', 'int', 'int', 'int64_t']),
  mprotect: declare('int', 'mprotect', ['void *', 'size_t', 'int']),
  munmap: declare('int', 'munmap', ['void *', 'size_t']),
  // Its result, the first argument, is not used.
  memcpy: declare('void', 'memcpy', ['void *', 'void *', 'size_t']),
};

const PROT_NONE = 0;
const PROT_READ_WRITE = 1 | 2;
const MAP_PRIVATE_ANONYMOUS = 0x02 | 0x20;

/** Pages have 4 to 64 KiB: a multiple of this is a whole number of pages in any case. */
const UNIT = 0x1_0000;
const POINTER_BITS = POINTER_BYTES * 8;
const MAP_FAILED = BigInt.asUintN(POINTER_BITS, -1n);

/**
 * Run `call` with the address of memory that begins with the bytes of `view`, has at least `room`
 * bytes, zeros behind those of `view`, and ends there. The bytes that `call` leaves there are
 * copied back into `view`. Returns the result of `call`, or -ENOMEM if there is no memory.
 */
export function withGuardedCopy(
  view: Bytes,
  room: number,
  call: (address: bigint) => number,
): number {
  const bytes = bytesOf(view);
  const { byteLength } = bytes;
  // A multiple of 16, for the strictest alignment there is.
  const used = Math.ceil(Math.max(byteLength, room) / 16) * 16;
  const usable = Math.ceil(used / UNIT) * UNIT;
  const base = map(usable + UNIT);
  if (base === null) return -errno.ENOMEM;
  try {
    const end = base + BigInt(usable);
    if (native.mprotect(end, UNIT, PROT_NONE) !== 0) return -errno.ENOMEM;
    const start = end - BigInt(used);
    native.memcpy(start, bytes, byteLength);
    const outcome = call(start);
    native.memcpy(bytes, start, byteLength);
    return outcome;
  } finally {
    native.munmap(base, usable + UNIT);
  }
}

function map(length: number): bigint | null {
  const address = native.mmap(null, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  // A 32-bit pointer is the low half of the declared type.
  const base = BigInt.asUintN(POINTER_BITS, BigInt(address));
  return base === MAP_FAILED ? null : base;
}
