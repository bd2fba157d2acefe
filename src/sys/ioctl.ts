/**
 * ioctl(2), the call with a thousand meanings, made as safe as the request number allows.
 *
 * A request of today's form carries the size of what it reads or writes (`_IOC_SIZE`), and a buffer
 * must have it. One of the old form (TIOCGWINSZ, FIONREAD) does not: it runs on memory of our own,
 * so that it cannot write past the buffer. An argument that is no buffer is so small that it is no
 * address: a request that wanted memory then gives EFAULT and writes nowhere. What cannot be checked
 * are requests that read a pointer or a count from the buffer: fill those with care.
 */
import { type Bytes, checkFd, checkInteger, checkRoom, checkUint, checkWhole } from './check';
import { declare, result } from './libc';

// C's request is an unsigned long in glibc and an int in musl; the kernel reads 32 bits.
const native = { ioctl: declare('int', 'ioctl', ['int', 'unsigned long', '...']) };

const SIZE_SHIFT = 16;
// PowerPC has three bits for the direction, and so one less for the size.
const SIZE_MASK = process.arch === 'ppc64' ? 0x1fff : 0x3fff;

/** No program has memory at the lowest addresses: an int up to here is never a valid pointer. */
const MAX_INTEGER = 0xffff;

/** What an old request reads or writes at least: an int. */
const OLD_REQUEST_MIN_BYTES = 4;
/** More than any old request of a fixed size: the largest, a console font, has 8,192 bytes. */
const OLD_REQUEST_BYTES = 16_384;

const scratch = new Uint8Array(OLD_REQUEST_BYTES);

/** `_IOC_SIZE(request)`: the bytes that a request's argument has; 0 if the number does not say. */
export function ioctlSize(request: number): number {
  checkUint('request', request);
  return (request >>> SIZE_SHIFT) & SIZE_MASK;
}

/**
 * `int ioctl(int fd, unsigned long op, ... /\* int or void *argp *\/)`
 *
 * `argument` is an integer from -1 to 65,535 for the requests that take one (or none), or a buffer
 * that the kernel reads or fills. A buffer must have the size that `request` carries; for a request
 * without a size at least 4 bytes, of which only those that are there are read and filled. Returns
 * what the request says, mostly 0, or -errno: -EBADF, -EFAULT (it wants a buffer), -EINVAL, -ENOTTY
 * (nothing that this fd knows). Whether it blocks depends on the request. See ioctl(2).
 */
export function ioctl(fd: number, request: number, argument: number | Bytes = 0): number {
  checkFd(fd);
  const size = ioctlSize(request);
  if (typeof argument === 'number') {
    checkInteger('argument', argument, -1, MAX_INTEGER);
    // As a long, so that -1 has its upper half.
    return result(native.ioctl(fd, request, 'long', argument));
  }
  if (size === 0) return ioctlOfOld(fd, request, argument);
  checkRoom(argument, size, 'argument');
  return result(native.ioctl(fd, request, 'void *', argument));
}

function ioctlOfOld(fd: number, request: number, argument: Bytes): number {
  const length = checkWhole(argument, 'argument');
  checkRoom(argument, OLD_REQUEST_MIN_BYTES, 'argument');
  if (length >= OLD_REQUEST_BYTES) return result(native.ioctl(fd, request, 'void *', argument));
  const bytes = new Uint8Array(argument.buffer, argument.byteOffset, length);
  scratch.fill(0);
  scratch.set(bytes);
  const outcome = result(native.ioctl(fd, request, 'void *', scratch));
  bytes.set(scratch.subarray(0, length));
  return outcome;
}
