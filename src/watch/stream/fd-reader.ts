/**
 * The bytes of an fd that is a stream: a pipe, a FIFO, a terminal, a character device. Not of a
 * regular file, which is always ready and which epoll does not take: that is for `node:fs`.
 */
import { z } from 'zod';
import { checkFd } from '../../base/check';
import { parseOptions } from '../../base/options';
import { unwrap } from '../../sys/errno';
import { read, setNonBlocking } from '../../sys/io';
import { closeOnThrow } from '../../sys/ownership';
import { FdSource, type FdSourceOptions, fdSourceOptionFields } from '../fd-source';
import { streamOutcome } from './stream-end';

const optionsSchema = z.strictObject(fdSourceOptionFields);

/** What one read takes at most: what a pipe holds. Shared; what is read is copied at once. */
const buffer = new Uint8Array(65_536);

/**
 * Reads an fd. The event `data` tells what one read(2) has brought, a Buffer of the consumer's own.
 * At the end of the stream the reader closes; what that is for which kind of fd, stream-end.ts says.
 * Empty messages of a datagram or seqpacket socket are skipped: a stream has no place for them. For
 * messages use `DatagramSocket`.
 */
export class FdReader extends FdSource<'data', Buffer> {
  /**
   * Takes `fd` over, and sets O_NONBLOCK on its description (which everybody who has it by dup(2) or
   * fork(2) shares); stdin is not closed at the end, see {@link closeOwned}. Throws EPERM for a
   * regular file, EBADF, and a TypeError for a wrong option; `fd` is closed then too. Not closed
   * after EEXIST: the loop watches it for somebody else.
   */
  constructor(fd: number, options: FdSourceOptions = {}) {
    checkFd(fd);
    super(fd, { ...closeOnThrow(fd, () => prepare(fd, options)), event: 'data' });
  }

  protected override readOnce(fd: number): number {
    const outcome = read(fd, buffer);
    if (outcome <= 0) return streamOutcome(fd, outcome);
    this.deliver(Buffer.from(buffer.subarray(0, outcome)));
    return outcome;
  }
}

function prepare(fd: number, options: FdSourceOptions): FdSourceOptions {
  const settings = parseOptions('FdReader', optionsSchema, options);
  unwrap(setNonBlocking(fd), 'fcntl', { fd });
  return settings;
}
