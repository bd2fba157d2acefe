/**
 * Messages: sendto(2), sendmsg(2), recvmsg(2) and their batches. Arguments are checked, results are
 * `n >= 0` or `-errno`.
 *
 * `struct msghdr` is full of pointers. The {@link MessageBatch} of a call owns all their targets,
 * and its memory neither moves nor goes while it is in use.
 */
import { checkBytes, checkFd, checkInt, checkInteger, checkWhole } from '../base/check';
import { declare, result } from './libc';
import { type MessageBatch, memoryOf } from './message-batch';

const native = {
  sendto: declare('int64_t', 'sendto', ['int', 'void *', 'size_t', 'int', 'void *', 'uint32_t']),
  sendmsg: declare('int64_t', 'sendmsg', ['int', 'void *', 'int']),
  recvmsg: declare('int64_t', 'recvmsg', ['int', 'void *', 'int']),
  sendmmsg: declare('int', 'sendmmsg', ['int', 'void *', 'uint32_t', 'int']),
  recvmmsg: declare('int', 'recvmmsg', ['int', 'void *', 'uint32_t', 'int', 'void *']),
};

/**
 * `ssize_t sendto(int sockfd, const void *buf, size_t len, int flags,
 *                 const struct sockaddr *dest_addr, socklen_t addrlen)`
 *
 * Sends `length` bytes from the start of `buffer` to `address`; null on a connected socket. Returns
 * the bytes taken, or -errno: -EAGAIN when the socket's buffer (or, in the family of unix sockets,
 * the receiver's queue) is full, -ECONNREFUSED, -EDESTADDRREQ, -EMSGSIZE. Pass MSG_NOSIGNAL. Blocks
 * on a blocking fd. See sendto(2).
 */
export function sendto(
  fd: number,
  buffer: Uint8Array,
  length: number,
  flags: number,
  address: Uint8Array | null,
): number {
  checkFd(fd);
  checkBytes(buffer, length);
  checkInt('flags', flags);
  const addressLength = address === null ? 0 : checkWhole(address, 'address');
  return result(native.sendto(fd, buffer, length, flags, address, addressLength));
}

/**
 * `ssize_t sendmsg(int sockfd, const struct msghdr *msg, int flags)`
 *
 * Sends message `index` of the batch: its payload, address and control messages. Returns the bytes
 * taken, which also are its `length` then, or -errno as {@link sendto}; -EBADF too for an fd among
 * the control messages that is not open. Pass MSG_NOSIGNAL. Blocks on a blocking fd. See sendmsg(2).
 */
export function sendmsg(fd: number, batch: MessageBatch, index: number, flags: number): number {
  checkFd(fd);
  const memory = memoryOf(batch);
  checkInteger('index', index, 0, memory.count - 1);
  checkInt('flags', flags);
  const outcome = result(native.sendmsg(fd, memory.headers(index), flags));
  memory.setLength(index, Math.max(0, outcome));
  return outcome;
}

/**
 * `ssize_t recvmsg(int sockfd, struct msghdr *msg, int flags)`
 *
 * Receives message `index` of the batch. Returns its bytes, which also are its `length` then; 0 when
 * the peer has shut down, and for an empty datagram; or -errno: -EAGAIN when there is none. Fds that
 * come along are open in this process from now on, whether they are looked at or not: pass
 * MSG_CMSG_CLOEXEC. Blocks on a blocking fd. See recvmsg(2).
 */
export function recvmsg(fd: number, batch: MessageBatch, index: number, flags: number): number {
  checkFd(fd);
  const memory = memoryOf(batch);
  checkInteger('index', index, 0, memory.count - 1);
  checkInt('flags', flags);
  memory.openForReceiving(index, 1);
  const outcome = result(native.recvmsg(fd, memory.headers(index), flags));
  if (outcome >= 0) memory.setLength(index, outcome);
  memory.keepReceived(index, outcome < 0 ? 0 : 1, 1);
  return outcome;
}

/**
 * `int sendmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags)`
 *
 * Sends `count` messages of the batch, from message `first` on. Returns how many the kernel took,
 * with the bytes of each in its `length`; or -errno as {@link sendto} if it did not take the first.
 * Pass MSG_NOSIGNAL. Blocks on a blocking fd. See sendmmsg(2).
 */
export function sendmmsg(
  fd: number,
  batch: MessageBatch,
  first: number,
  count: number,
  flags: number,
): number {
  checkFd(fd);
  const memory = memoryOf(batch);
  checkInteger('first', first, 0, memory.count - 1);
  checkInteger('count', count, 1, memory.count - first);
  checkInt('flags', flags);
  const outcome = result(native.sendmmsg(fd, memory.headers(first), count, flags));
  for (let index = first + Math.max(0, outcome); index < first + count; index += 1) {
    memory.setLength(index, 0);
  }
  return outcome;
}

/**
 * `int recvmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags,
 *               struct timespec *timeout)`
 *
 * Receives up to `count` messages to the start of the batch; the timeout, which the man page calls a
 * bug, is none. Returns how many came, or -errno: -EAGAIN when there are none. On a blocking fd it
 * blocks until there are `count`; pass MSG_DONTWAIT or MSG_WAITFORONE. See recvmmsg(2).
 */
export function recvmmsg(fd: number, batch: MessageBatch, count: number, flags: number): number {
  checkFd(fd);
  const memory = memoryOf(batch);
  checkInteger('count', count, 1, memory.count);
  checkInt('flags', flags);
  memory.openForReceiving(0, count);
  const outcome = result(native.recvmmsg(fd, memory.headers(0), count, flags, null));
  memory.keepReceived(0, Math.max(0, outcome), count);
  return outcome;
}
