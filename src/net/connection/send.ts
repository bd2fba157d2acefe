/**
 * One step of sending from a {@link WriteQueue}: what stands first, by the call that suits it.
 *
 * The outcomes: bytes taken, a full socket, or an error after which nothing may follow.
 */

import { bytesLost } from '../../base/errors';
import { type HeldRange, rangeError, sendRange } from '../../bytes/file-range';
import { LOST, type WriteQueue } from '../../bytes/write-queue';
import { MSG_NOSIGNAL } from '../../sys/constants';
import { errno, SystemError } from '../../sys/errno';
import { send } from '../../sys/socket';
import { writev } from '../../sys/vector';
import { resetOnClose } from '../socket/reset-on-close';

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

/** The parts of one call; empty between calls, so that it holds nobody's bytes. */
const parts: Uint8Array[] = [];
/** Where the small chunks of one call are put together. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Send from the front of `queue` to the socket `fd`, about `limit` bytes at most, with one call:
 * sendfile(2), send(2), or writev(2) for several parts. Returns the bytes taken, of which the queue
 * must be told; {@link FULL}; or an error, after which the socket is to be closed.
 */
export function sendQueued(fd: number, queue: WriteQueue, limit: number): number | Error {
  if (queue.range !== null) return sendFileBytes(fd, queue.range, queue.sentOfFirst, limit);
  try {
    const bytes = queue.collect(parts, scratch, limit);
    if (bytes === LOST) return lostBytesError(fd);
    const [first] = parts;
    const isOne = parts.length <= 1;
    let count = 0;
    if (!isOne) count = sendParts(fd);
    else if (first !== undefined) count = sendBytes(fd, first, Math.min(bytes, limit));
    if (count >= 0 || count === FULL) return count;
    return new SystemError(isOne ? 'send' : 'writev', count, { fd });
  } catch (error) {
    // A view that is none: tried again, it would only throw again.
    return error as Error;
  } finally {
    parts.length = 0;
  }
}

/**
 * Bytes that were queued by reference are gone. Nothing may follow, and the close is a reset: what
 * stands behind them must not take their place, nor what stands before them pass for the whole.
 */
export function lostBytesError(fd: number): Error {
  resetOnClose(fd);
  return bytesLost(fd);
}

/** There is no MSG_NOSIGNAL for writev(2) and sendfile(2); Node ignores SIGPIPE. */
function sendParts(fd: number): number {
  for (;;) {
    const count = writev(fd, parts, parts.length);
    if (count !== -EINTR) return count;
  }
}

/** The rest of `range`, of which `sent` bytes are sent. */
function sendFileBytes(fd: number, range: HeldRange, sent: number, limit: number): number | Error {
  const offset = range.offset + sent;
  const left = range.length - sent;
  if (left === 0) return 0;
  const count = sendRange(fd, range, offset, Math.min(left, limit));
  if (count > 0 || count === FULL) return count;
  // A peer to whom a FIN is the end of a body must not take half of it for the whole.
  resetOnClose(fd);
  return rangeError(count, range.fd, offset);
}
