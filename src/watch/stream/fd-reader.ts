/**
 * Reads the bytes of an fd that is a stream: a pipe, a FIFO, a terminal, a character device. Not
 * for a regular file, which is always ready and which epoll refuses: use `node:fs`.
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

/** The maximum of one read: the capacity of a pipe. Shared; the bytes are copied at once. */
const buffer = new Uint8Array(65_536);

/**
 * Reads an fd. It emits the bytes of each read(2) as `data`, a Buffer of the consumer's own. At the
 * end of the stream the reader closes; stream-end.ts defines the end for each kind of fd. Empty
 * messages of a datagram or seqpacket socket are skipped, because a stream has no place for them.
 * For messages use `DatagramSocket`.
 */
export class FdReader extends FdSource<'data', Buffer> {
  /**
   * Takes `fd` over, and sets O_NONBLOCK on its description (shared with every dup(2) and fork(2)
   * of it). Stdin is not closed at the end, see {@link closeOwned}. Throws EPERM for a regular
   * file, EBADF, and a TypeError for a wrong option; then `fd` is closed too, but not after EEXIST:
   * the loop watches it for another owner.
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
