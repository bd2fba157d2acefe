/**
 * A pipe: pipe2(2), both ends close-on-exec. Each end is either used here, as {@link Pipe.reader} or
 * {@link Pipe.writer}, or given away as an fd: to a child process as its stdio, to another thread.
 */
import { z } from 'zod';
import { checkInteger, INT32_MAX } from '../../base/check';
import { pipeEnd } from '../../base/errors';
import { parseOptions } from '../../base/options';
import * as constants from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { pipe2 } from '../../sys/fds';
import { fcntl } from '../../sys/io';
import { closeOwned, disown, own } from '../../sys/ownership';
import { FdReader } from './fd-reader';
import { FdWriter, type FdWriterOptions, fdWriterOptionFields } from './fd-writer';

const { F_GETFL, F_GETPIPE_SZ, F_SETFL, F_SETPIPE_SZ, O_CLOEXEC, O_DIRECT, O_NONBLOCK } = constants;

/** Options of {@link Pipe}. */
export interface PipeOptions extends FdWriterOptions {
  /**
   * O_DIRECT: each `data` of the reader is the bytes of one write. Writes of more than 4096 bytes
   * (PIPE_BUF) become several packets.
   */
  packets?: boolean;
  /** The capacity in bytes, see {@link Pipe.capacity}; 65536 if not given. */
  capacity?: number;
}

const optionsSchema = z.strictObject({
  ...fdWriterOptionFields,
  packets: z.boolean().default(false),
  capacity: z.int().min(1).max(INT32_MAX).optional(),
});

const pair = new Int32Array(2);

/** One end: an fd, then its user here, or nothing once it was given away or closed. */
type End<T> = { fd: number; user: T | null };

/** Two ends of a pipe. */
export class Pipe {
  readonly #settings: z.output<typeof optionsSchema>;
  readonly #reading: End<FdReader>;
  readonly #writing: End<FdWriter>;

  /**
   * Throws EMFILE or ENFILE when there are no fds left, EPERM for a capacity past
   * fs.pipe-max-size, and a TypeError for a wrong option.
   */
  constructor(options: PipeOptions = {}) {
    this.#settings = parseOptions('Pipe', optionsSchema, options);
    const { packets, capacity } = this.#settings;
    unwrap(pipe2(pair, O_CLOEXEC | O_NONBLOCK | (packets ? O_DIRECT : 0)), 'pipe2');
    this.#reading = { fd: own(pair[0] as number), user: null };
    this.#writing = { fd: own(pair[1] as number), user: null };
    try {
      if (capacity !== undefined) this.capacity = capacity;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The reading end, used here: emits `data`, and closes when no writing end is open any more. */
  get reader(): FdReader {
    const { loop } = this.#settings;
    this.#reading.user ??= new FdReader(take(this.#reading, 'reading'), { loop });
    return this.#reading.user;
  }

  /** The writing end, used here. */
  get writer(): FdWriter {
    const { highWaterMark, maxQueuedBytes, loop } = this.#settings;
    const options = { highWaterMark, maxQueuedBytes, loop };
    this.#writing.user ??= new FdWriter(take(this.#writing, 'writing'), options);
    return this.#writing.user;
  }

  /**
   * Give the reading end away: a blocking fd, as programs expect it. The caller closes it, after a
   * child has it. Throws if `reader` uses it, or if it was given away before.
   */
  releaseReadFd(): number {
    return release(this.#reading, 'reading');
  }

  /** Give the writing end away, as {@link releaseReadFd} does with the other. */
  releaseWriteFd(): number {
    return release(this.#writing, 'writing');
  }

  /** The capacity in bytes. Throws if no end is open here. */
  get capacity(): number {
    return unwrap(fcntl(this.#anyFd(), F_GETPIPE_SZ), 'fcntl');
  }

  /**
   * The kernel takes at least this, up to the next power of two pages. Throws EPERM past
   * /proc/sys/fs/pipe-max-size, and EBUSY if the pipe contains more.
   */
  set capacity(bytes: number) {
    checkInteger('capacity', bytes, 1, INT32_MAX);
    unwrap(fcntl(this.#anyFd(), F_SETPIPE_SZ, bytes), 'fcntl');
  }

  /** Close the ends that were not given away. A second call does nothing. */
  close(): void {
    for (const end of [this.#reading, this.#writing]) {
      end.user?.close();
      if (end.fd >= 0) closeOwned(end.fd);
      end.fd = -1;
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #anyFd(): number {
    const { user: reader, fd: readFd } = this.#reading;
    const { user: writer, fd: writeFd } = this.#writing;
    const open = [reader?.fd, writer?.fd, readFd, writeFd].find(
      (fd) => fd !== undefined && fd >= 0,
    );
    if (open !== undefined) return open;
    throw pipeEnd('the pipe has no end that is open here');
  }
}

function take(end: End<unknown>, name: string): number {
  const { fd } = end;
  if (fd < 0) throw pipeEnd(`the ${name} end of the pipe was given away or closed`);
  end.fd = -1;
  return fd;
}

function release(end: End<unknown>, name: string): number {
  if (end.user !== null) throw pipeEnd(`the ${name} end of the pipe is used here`);
  const fd = take(end, name);
  disown(fd);
  const flags = unwrap(fcntl(fd, F_GETFL), 'fcntl', { fd });
  unwrap(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), 'fcntl', { fd });
  return fd;
}
