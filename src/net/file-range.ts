/**
 * A range of a file on its way to a socket, inside the kernel: sendfile(2) with an offset of ours, so
 * that the file's own position, which others may use, never moves.
 *
 * sendfile(2) waits for the disk when the file is not in the page cache; no call avoids that.
 */
import { fstatSync } from 'node:fs';
import { checkFd, checkInteger, invalidType, outOfRange } from '../sys/check';
import { errno, errnoText, SystemError } from '../sys/errno';
import { sendfile } from '../sys/transfer';

const { EBADF, EINTR, EINVAL } = errno;

/** Bytes `offset` to `offset + length` of a file. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Check what is to be sent before anything is. Throws TypeError and RangeError for what cannot be a
 * range, and a {@link SystemError}: EBADF (not open), EINVAL (not a regular file).
 */
export function checkFileRange(fd: number, range: FileRange): void {
  checkFd(fd);
  if (typeof range !== 'object' || range === null) {
    throw invalidType('range', 'an object with offset and length', range);
  }
  checkInteger('range.offset', range.offset, 0, Number.MAX_SAFE_INTEGER);
  checkInteger('range.length', range.length, 0, Number.MAX_SAFE_INTEGER);
  if (range.offset + range.length > Number.MAX_SAFE_INTEGER) {
    throw outOfRange('range.length', 'such that the range ends before 2 ** 53', range.length);
  }
  if (!isRegularFile(fd)) {
    throw new SystemError('sendfile', EINVAL, { reason: `fd ${fd} is not a regular file`, fd });
  }
}

function isRegularFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    throw new SystemError('sendfile', EBADF, { reason: `fd ${fd} is not open`, fd });
  }
}

/**
 * Send up to `length` bytes, not 0, of `file` from `offset`. Returns the bytes the socket has taken,
 * 0 if the file ends there, or -errno; a signal does not end it.
 */
export function sendRange(socket: number, file: number, offset: number, length: number): number {
  for (;;) {
    const count = sendfile(socket, file, offset, length);
    if (count !== -EINTR) return count;
  }
}

/** Why a range could not be sent: `outcome` is what {@link sendRange} gave, 0 or -errno. */
export function rangeError(outcome: number, file: number, offset: number): Error {
  if (outcome < 0) {
    const reason = `${errnoText(outcome)}, sending fd ${file} from offset ${offset}`;
    return new SystemError('sendfile', outcome, { reason, fd: file });
  }
  const text = `fd ${file} ended at offset ${offset}, before the range that was to be sent`;
  return Object.assign(new Error(text), { code: 'ERR_FILE_TRUNCATED', fd: file });
}
