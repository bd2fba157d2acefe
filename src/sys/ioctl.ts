/**
 * ioctl(2), the call with a thousand meanings, made as safe as the request number allows.
 *
 * A request of today's form carries the size of the memory that it reads or writes (`_IOC_SIZE`),
 * and a buffer must have that size; for numbers that are known to be wrong, the true size (see
 * ioctl-sizes.ts). A request of the old form (TIOCGWINSZ, FIONREAD) carries none. The kernel does
 * not hold drivers to either, so each call runs on a guarded copy of the buffer and cannot reach
 * the memory behind it. An argument that is no buffer is too small to be an address: a request that
 * wants memory then fails with EFAULT and writes nowhere. Requests that read a pointer from the
 * buffer cannot be checked: fill those with care.
 */
import { type Bytes, checkFd, checkInteger, checkMask, checkRoom, outOfRange } from '../base/check';
import { withGuardedCopy } from './guarded-memory';
import { isKept, knownSize } from './ioctl-sizes';
import { declare, result } from './libc';

// C's request is an unsigned long in glibc and an int in musl; the kernel reads 32 bits.
const native = { ioctl: declare('int', 'ioctl', ['int', 'unsigned long', '...']) };

const SIZE_SHIFT = 16;
// PowerPC has three bits for the direction, and so one less for the size.
const SIZE_MASK = process.arch === 'ppc64' ? 0x1fff : 0x3fff;

/** No program has memory at the lowest addresses: an int up to this is never a valid pointer. */
const MAX_INTEGER = 0xffff;

/** The minimum that an old request reads or writes: an int. */
const OLD_REQUEST_MIN_BYTES = 4;
/** Room behind a buffer: the largest request without a size, a console font, has 8,192 bytes. */
const ROOM_BYTES = 16_384;

/** `_IOC_SIZE(request)`: the size of a request's argument in bytes; 0 if the number has none. */
export function ioctlSize(request: number): number {
  return (checkMask('request', request) >>> SIZE_SHIFT) & SIZE_MASK;
}

/**
 * `int ioctl(int fd, unsigned long op, ... /\* int or void *argp *\/)`
 *
 * `argument` is an integer from -1 to 65,535 for the requests that take one (or none), or a buffer
 * that the kernel reads or fills. A buffer must have the size that `request` carries, or more where
 * that is known to be too little (TUNSETIFF); for a request without a size at least 4 bytes. Only the
 * bytes that are there are read and filled. Returns what the request says, mostly 0, or -errno:
 * -EBADF, -EFAULT (it wants a buffer, or a larger one), -EINVAL, -ENOTTY (nothing that this fd knows).
 * Whether it blocks depends on the request. See ioctl(2).
 */
export function ioctl(fd: number, request: number, argument: number | Bytes = 0): number {
  checkFd(fd);
  const size = ioctlSize(request);
  const number = request >>> 0;
  if (typeof argument === 'number') {
    checkInteger('argument', argument, -1, MAX_INTEGER);
    // As a long, so that the upper half of -1 is set too.
    return result(native.ioctl(fd, number, 'long', argument));
  }
  checkRoom(argument, Math.max(size || OLD_REQUEST_MIN_BYTES, knownSize(number)), 'argument');
  if (isKept(number)) {
    throw outOfRange('request', 'one whose argument is not used after the call', request);
  }
  return withGuardedCopy(argument, ROOM_BYTES, (address) =>
    result(native.ioctl(fd, number, 'void *', address)),
  );
}
