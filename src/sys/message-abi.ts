/**
 * The memory layout of the arguments of sendmsg(2) and recvmsg(2), and of structures in control
 * messages and socket options; see abi.ts for the rules.
 */
import './platform';
import { checkInteger, INT32_MAX } from '../base/check';
import { addressOfMemory, offsetOf, sizeOf, struct } from './libc';

/** `struct iovec { void *iov_base; size_t iov_len; }` */
const iovec = struct({ iov_base: 'void *', iov_len: 'size_t' });

/**
 * `struct msghdr`. musl has an `int` and padding where glibc and the kernel have a `size_t`; on a
 * little-endian machine, for lengths below 2**31, these are the same bytes.
 */
const msghdr = struct({
  msg_name: 'void *',
  msg_namelen: 'uint32_t',
  msg_iov: 'void *',
  msg_iovlen: 'size_t',
  msg_control: 'void *',
  msg_controllen: 'size_t',
  msg_flags: 'int',
});

/** `struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; }` */
const mmsghdr = struct({ msg_hdr: msghdr, msg_len: 'uint32_t' });

/** `struct cmsghdr { size_t cmsg_len; int cmsg_level; int cmsg_type; }`, then the data. */
const cmsghdr = struct({ cmsg_len: 'size_t', cmsg_level: 'int', cmsg_type: 'int' });

/** `struct ucred { pid_t pid; uid_t uid; gid_t gid; }` */
const ucred = struct({ pid: 'int', uid: 'uint32_t', gid: 'uint32_t' });

/** Bytes of a pointer and of a `size_t`, to which control messages are aligned. */
export const POINTER_BYTES: number = sizeOf('void *');

/** `struct iovec`: its size and the byte offsets of its fields. */
export const IOVEC = {
  bytes: sizeOf(iovec),
  base: offsetOf(iovec, 'iov_base'),
  length: offsetOf(iovec, 'iov_len'),
} as const;

/** `struct mmsghdr`: its size and the byte offsets of its fields, and of those of its `msghdr`. */
export const MMSGHDR = {
  bytes: sizeOf(mmsghdr),
  length: offsetOf(mmsghdr, 'msg_len'),
  name: offsetOf(msghdr, 'msg_name'),
  nameLength: offsetOf(msghdr, 'msg_namelen'),
  iov: offsetOf(msghdr, 'msg_iov'),
  iovLength: offsetOf(msghdr, 'msg_iovlen'),
  control: offsetOf(msghdr, 'msg_control'),
  controlLength: offsetOf(msghdr, 'msg_controllen'),
  flags: offsetOf(msghdr, 'msg_flags'),
} as const;

/** `struct cmsghdr`: its size and the byte offsets of its fields. */
export const CMSGHDR = {
  bytes: sizeOf(cmsghdr),
  length: offsetOf(cmsghdr, 'cmsg_len'),
  level: offsetOf(cmsghdr, 'cmsg_level'),
  type: offsetOf(cmsghdr, 'cmsg_type'),
} as const;

/** `struct ucred`: its size and the byte offsets of its fields. */
export const UCRED = {
  bytes: sizeOf(ucred),
  pid: offsetOf(ucred, 'pid'),
  uid: offsetOf(ucred, 'uid'),
  gid: offsetOf(ucred, 'gid'),
} as const;

/** `CMSG_ALIGN(length)` */
export function alignControl(length: number): number {
  return Math.ceil(length / POINTER_BYTES) * POINTER_BYTES;
}

/** `CMSG_SPACE(length)`: the space of a control message with `length` bytes of data. */
export function controlSpace(length: number): number {
  checkInteger('length', length, 0, INT32_MAX);
  return alignControl(CMSGHDR.bytes) + alignControl(length);
}

/** The address of memory that the caller holds for as long as C may use it. */
export function addressOf(memory: ArrayBuffer | Uint8Array): bigint {
  return addressOfMemory(memory);
}
