/**
 * The requests of ioctl(2) whose number misstates the memory they use.
 *
 * A number of today's form contains the size of a type, but the kernel does not hold drivers to it:
 * some take a structure where the number has an `int`. This list cannot contain structures with a
 * count and an array of that length behind them (FS_IOC_FIEMAP, fscrypt's, KVM's, ALSA's): their
 * number has the size of the head alone. For these the memory of a call is guarded, see
 * guarded-memory.ts.
 */
import { POINTER_BYTES } from './message-abi';

// _IOC(dir, type, nr, size): type and nr alone identify the request.
const TYPE_AND_NUMBER = 0xffff;

/** `struct ifreq`: a name of 16 bytes, and a union of which `struct ifmap` is the largest. */
const IFREQ_BYTES = 16 + (POINTER_BYTES === 8 ? 24 : 16);

/** The true size, by type and number. */
const SIZES: ReadonlyMap<number, number> = new Map(
  // <linux/if_tun.h>: TUNSETIFF, TUNGETIFF and TUNSETQUEUE, whose numbers have an int.
  [0x54ca, 0x54d2, 0x54d9].map((request) => [request, IFREQ_BYTES]),
);

/** <linux/usbdevice_fs.h>, USBDEVFS_SUBMITURB: the kernel writes to it when the transfer has ended. */
const KEPT = 0x550a;

/** The bytes that `request` really uses; 0 if its number is not known to be wrong. */
export function knownSize(request: number): number {
  return SIZES.get(request & TYPE_AND_NUMBER) ?? 0;
}

/** Whether the kernel goes on using the argument of `request` after the call. */
export function isKept(request: number): boolean {
  return (request & TYPE_AND_NUMBER) === KEPT;
}
