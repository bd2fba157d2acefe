/**
 * The data that waits to be sent on one socket, and its sending: the first entry goes by the call that
 * suits it, sendfile(2), send(2) or writev(2). Calls no callback and closes nothing: a flush has one of
 * four outcomes, on which the connection acts.
 */
import { bytesLost } from '../../base/errors';
import { type HeldRange, rangeError, sendRange } from '../../bytes/file-range';
import { isLent } from '../../bytes/lent-memory';
import { LOST, type WriteCallback, WriteQueue } from '../../bytes/write-queue';
import { MSG_NOSIGNAL } from '../../sys/constants';
import { errno, SystemError } from '../../sys/errno';
import { send } from '../../sys/socket';
import { writev } from '../../sys/vector';
import { resetOnClose } from '../socket/reset-on-close';

const { EAGAIN, EINTR, ENOBUFS } = errno;

/** What {@link sendBytes} returns when the socket is full. */
export const FULL = -EAGAIN;

/**
 * The outcome of a write. `empty`: the kernel has everything. `full`: the rest waits for EPOLLOUT.
 * `turn-spent`: the kernel would take more, but it is the turn of others. An error: nothing may follow
 * on this socket.
 */
export type WriteOutcome = 'empty' | 'full' | 'turn-spent' | Error;

/** The parts of one call; empty between calls, so that it keeps no bytes alive. */
const parts: Uint8Array[] = [];
/** Where the small chunks of one call are put together. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** The queue of one connection, which has one only while something is queued or corked. */
export class SendQueue extends WriteQueue {
  /** While it is not 0, nothing is sent. */
  corks = 0;
  /** Whether a write has returned false, and `drain` must follow. */
  drainOwed = false;
  /** Bytes that the last {@link flush} has sent. */
  taken = 0;

  /** Whether a write has nothing to wait for here. */
  get idle(): boolean {
    return this.empty && this.corks === 0;
  }

  /** Whether EPOLLOUT is needed. */
  get wantsWritable(): boolean {
    return !this.empty && this.corks === 0;
  }

  /** Queue `bytes`, or a copy of them if they are lent. */
  add(bytes: Uint8Array, callback: WriteCallback | undefined): void {
    this.push(isLent(bytes) ? Buffer.from(bytes) : bytes, { since: performance.now(), callback });
  }

  /**
   * Queue a range of a file. A callback that would be called before the function that is returned is
   * called in the next tick: for the caller of `sendFile` it is too early.
   */
  addRange(range: HeldRange, callback: WriteCallback | undefined): () => void {
    let isCalling = true;
    const later = (error?: Error): void => {
      if (!isCalling) callback?.(error);
      else if (callback !== undefined) process.nextTick(callback, error);
    };
    this.pushRange(range, { since: performance.now(), callback: later });
    return () => {
      isCalling = false;
    };
  }

  /** Why the connection must be cut, because more waits than may; null if it does not. */
  excessError(maxBytes: number, fd: number): SystemError | null {
    const excess = this.excess(maxBytes);
    if (excess === null) return null;
    return new SystemError('write', ENOBUFS, { reason: `${excess}, the peer does not read`, fd });
  }

  /**
   * Send to the socket `fd` until nothing is left, the kernel takes no more, or about `limit` bytes are
   * sent. `now` as of {@link WriteQueue.sent}; callbacks become due, and are called by `settle`.
   */
  flush(fd: number, limit: number, now: number): WriteOutcome {
    this.taken = 0;
    while (!this.empty) {
      if (this.taken >= limit) return 'turn-spent';
      const count = sendFirst(fd, this, limit - this.taken);
      if (count instanceof Error) return count;
      if (count === FULL) return 'full';
      this.taken += count;
      this.sent(count, now);
    }
    return 'empty';
  }
}

/** As send(2), and again after a signal: under EPOLLET no event would follow it. */
export function sendBytes(fd: number, bytes: Uint8Array, length: number): number {
  for (;;) {
    const count = send(fd, bytes, length, MSG_NOSIGNAL);
    if (count !== -EINTR) return count;
  }
}

/** As {@link bytesLost}; the close is a reset, so that the peer takes no part for the whole. */
export function bytesAreLost(fd: number): Error {
  resetOnClose(fd);
  return bytesLost(fd);
}

/**
 * Send from the front of `queue`, about `limit` bytes at most, with one call. Returns the bytes taken;
 * {@link FULL}; or an error.
 */
function sendFirst(fd: number, queue: WriteQueue, limit: number): number | Error {
  if (queue.range !== null) return sendFileBytes(fd, queue.range, queue.sentOfFirst, limit);
  try {
    const bytes = queue.collect(parts, scratch, limit);
    if (bytes === LOST) return bytesAreLost(fd);
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
  // A peer to which a FIN is the end of a body must not take half of it for the whole.
  resetOnClose(fd);
  return rangeError(count, range.fd, offset);
}
