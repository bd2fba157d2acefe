/**
 * Bytes of several buffers in one call: writev(2). Arguments are checked, results are `n >= 0` or
 * `-errno`.
 *
 * The addresses of the buffers stand in memory that only this file has, and only during the call,
 * while the buffers are held here: V8 does not move the bytes of an ArrayBuffer. All buffers are
 * taken out of the caller's array before the first address is taken: an array may run code of its
 * own (a getter, a Proxy), and that code could take the memory of an earlier buffer away.
 */
import { types } from 'node:util';
import { checkFd, checkInteger, checkWhole, invalidType } from '../base/check';
import { declare, result } from './libc';
import { addressOf, IOVEC, POINTER_BYTES } from './message-abi';

const native = {
  writev: declare('int64_t', 'writev', ['int', 'void *', 'int']),
};

/** The most buffers of one call: `IOV_MAX` of `<limits.h>`. */
export const IOV_MAX = 1_024;

const vectors = new Uint8Array(IOV_MAX * IOVEC.bytes);
const view = new DataView(vectors.buffer);
const held = new Array<Uint8Array | null>(IOV_MAX).fill(null);

/**
 * `ssize_t writev(int fd, const struct iovec *iov, int iovcnt)`
 *
 * Writes the first `count` of `buffers`, at most {@link IOV_MAX}, one after the other. Returns the
 * bytes written, which may end in the middle of one, or -errno as write(2) does: -EAGAIN when a
 * non-blocking fd is full. A pipe or socket without a reader gives -EPIPE, and also SIGPIPE, which
 * Node ignores. Blocks on a blocking fd. See writev(2).
 */
export function writev(
  fd: number,
  buffers: readonly Uint8Array[],
  count: number = buffers?.length,
): number {
  checkFd(fd);
  if (!Array.isArray(buffers)) throw invalidType('buffers', 'an array of buffers', buffers);
  checkInteger('count', count, 0, Math.min(buffers.length, IOV_MAX));
  for (let index = 0; index < count; index += 1) held[index] = buffers[index] as Uint8Array;
  for (let index = 0; index < count; index += 1) setVector(index, held[index] as Uint8Array);
  const outcome = result(native.writev(fd, vectors, count));
  held.fill(null, 0, count);
  return outcome;
}

function setVector(index: number, buffer: Uint8Array): void {
  if (!types.isUint8Array(buffer)) {
    throw invalidType(`buffers[${index}]`, 'a Buffer or Uint8Array', buffer);
  }
  const length = checkWhole(buffer, `buffers[${index}]`);
  const byte = index * IOVEC.bytes;
  // A view without bytes may have no memory at all.
  const address = length === 0 ? 0n : addressOf(buffer);
  if (POINTER_BYTES === 8) view.setBigUint64(byte + IOVEC.base, address, true);
  else view.setUint32(byte + IOVEC.base, Number(address), true);
  // The low half of a size_t is enough: no view comes near 2**32 bytes here.
  view.setUint32(byte + IOVEC.length, length, true);
}
