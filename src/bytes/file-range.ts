/**
 * A range of a file on its way to a socket, inside the kernel: sendfile(2) with an offset of ours, so
 * that the file's own position, which other code may use, never moves.
 *
 * sendfile(2) waits for the disk if the file is not in the page cache; no call avoids that.
 */
import { fstatSync, type Stats } from 'node:fs';
import { checkFd, checkInteger, invalidType, outOfRange } from '../base/check';
import { fileTruncated } from '../base/errors';
import { errno, errnoText, SystemError } from '../sys/errno';
import { sendfile } from '../sys/transfer';

const { EBADF, EINTR, EINVAL } = errno;

/** Bytes `offset` to `offset + length` of a file. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
}

/** The numbers that distinguish a file from all others, for as long as it is open anywhere. */
export interface FileIdentity {
  readonly dev: number | bigint;
  readonly ino: number | bigint;
}

/**
 * A range that may have to wait for its turn, of a file that the caller has opened and may close. The
 * fd's number then goes to the next file that is opened, whose bytes are not for this peer; so the
 * range knows which file it is of.
 */
export class HeldRange implements FileRange {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
  readonly #dev: number;
  readonly #ino: number;

  constructor(fd: number, { dev, ino }: FileIdentity, { offset, length }: FileRange) {
    this.fd = fd;
    this.offset = offset;
    this.length = length;
    this.#dev = Number(dev);
    this.#ino = Number(ino);
  }

  /** fstat(2), half a microsecond: whether the fd is still that file. */
  get isOpen(): boolean {
    try {
      const { dev, ino } = fstatSync(this.fd);
      return dev === this.#dev && ino === this.#ino;
    } catch {
      return false;
    }
  }
}

/**
 * Check a range before anything is sent; returns `range` itself if it is held already. Throws
 * TypeError and RangeError for arguments that cannot be a range, and a {@link SystemError}: EBADF
 * (not open), EINVAL (not a regular file).
 */
export function holdRange(fd: number, range: FileRange): HeldRange {
  if (range instanceof HeldRange && range.fd === fd) return range;
  checkFd(fd);
  if (typeof range !== 'object' || range === null) {
    throw invalidType('range', 'an object with offset and length', range);
  }
  checkInteger('range.offset', range.offset, 0, Number.MAX_SAFE_INTEGER);
  checkInteger('range.length', range.length, 0, Number.MAX_SAFE_INTEGER);
  if (range.offset + range.length > Number.MAX_SAFE_INTEGER) {
    throw outOfRange('range.length', 'such that the range ends before 2 ** 53', range.length);
  }
  return new HeldRange(fd, statFile(fd), range);
}

function statFile(fd: number): Stats {
  let stats: Stats;
  try {
    stats = fstatSync(fd);
  } catch {
    throw new SystemError('sendfile', EBADF, { reason: `fd ${fd} is not open`, fd });
  }
  if (stats.isFile()) return stats;
  throw new SystemError('sendfile', EINVAL, { reason: `fd ${fd} is not a regular file`, fd });
}

/**
 * Send up to `length` bytes, not 0, of the file of `range` from `offset`. Returns the bytes that
 * the socket took, 0 if the file ends there, or -errno: -EBADF also if the fd is another file by
 * now. A signal does not end it.
 */
export function sendRange(
  socket: number,
  range: HeldRange,
  offset: number,
  length: number,
): number {
  if (!range.isOpen) return -EBADF;
  for (;;) {
    const count = sendfile(socket, range.fd, offset, length);
    if (count !== -EINTR) return count;
  }
}

/** The reason why a range could not be sent. `outcome` of {@link sendRange}: 0 or -errno. */
export function rangeError(outcome: number, file: number, offset: number): Error {
  if (outcome === -EBADF) {
    const reason = `fd ${file} was closed while a range of its file was waiting to be sent`;
    return new SystemError('sendfile', EBADF, { reason, fd: file });
  }
  if (outcome < 0) {
    const reason = `${errnoText(outcome)}, sending fd ${file} from offset ${offset}`;
    return new SystemError('sendfile', outcome, { reason, fd: file });
  }
  return fileTruncated(file, offset);
}
