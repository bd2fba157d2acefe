/**
 * One step of sending from a {@link WriteQueue}: what stands first, by the call that suits it.
 *
 * The outcomes: bytes taken, a full socket, or an error after which nothing may follow.
 */
import { MSG_NOSIGNAL } from '../sys/constants';
import { errno, SystemError } from '../sys/errno';
import { send } from '../sys/socket';
import { rangeError, resetOnClose, sendRange } from './file-range';
import type { WriteQueue } from './write-queue';

const { EAGAIN, EINTR } = errno;

/** What {@link sendQueued} gives when the socket is full. */
export const FULL = -EAGAIN;

/** As send(2), and again after a signal: under EPOLLET nobody would tell us to. */
export function sendBytes(fd: number, bytes: Uint8Array, length: number): number {
  for (;;) {
    const count = send(fd, bytes, length, MSG_NOSIGNAL);
    if (count !== -EINTR) return count;
  }
}

/**
 * Send from the front of `queue` to the socket `fd`, about `limit` bytes at most; small chunks are
 * put together in `scratch`. Returns the bytes taken, of which the queue must be told; {@link FULL};
 * or an error, after which the socket is to be closed.
 */
export function sendQueued(
  fd: number,
  queue: WriteQueue,
  { scratch, limit }: { scratch: Buffer; limit: number },
): number | Error {
  if (queue.file >= 0) return sendFileBytes(fd, queue, limit);
  const bytes = queue.next(scratch);
  const count = sendBytes(fd, bytes, Math.min(bytes.byteLength, limit));
  return count >= 0 || count === FULL ? count : new SystemError('send', count, { fd });
}

function sendFileBytes(fd: number, queue: WriteQueue, limit: number): number | Error {
  const { file, fileOffset, fileLength } = queue;
  if (fileLength === 0) return 0;
  const count = sendRange(fd, file, fileOffset, Math.min(fileLength, limit));
  if (count > 0 || count === FULL) return count;
  resetOnClose(fd);
  return rangeError(count, file, fileOffset);
}
