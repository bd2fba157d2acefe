/**
 * A pseudo-terminal: pty(7). The master is here; the slave is a terminal for a program that wants
 * one.
 *
 * For a child process open the slave and pass it as stdin, stdout and stderr:
 *
 *     const slave = pty.openSlave();
 *     const child = spawn('setsid', ['-c', 'bash'], { stdio: [slave, slave, slave] });
 *     closeSync(slave);
 *
 * That alone makes it a terminal (isatty(3), colours, sizes). Job control, Ctrl-C and /dev/tty need
 * it to be the controlling terminal too, which a program takes for itself (setsid(2), TIOCSCTTY):
 * `setsid -c` of util-linux does this and runs the program.
 *
 * When the last slave is closed, reading the master returns EIO on Linux, after all written bytes.
 * That is the end of the stream, and the Pty closes. Keep a slave open to keep the Pty open.
 */
import { constants as fsConstants, openSync } from 'node:fs';
import { z } from 'zod';
import { parseOptions } from '../../base/options';
import type { WriteExtra } from '../../bytes/write-arguments';
import { F_DUPFD_CLOEXEC, O_CLOEXEC } from '../../sys/constants';
import { errno, unwrap } from '../../sys/errno';
import { fcntl, read } from '../../sys/io';
import {
  getWindowSize,
  grantpt,
  posixOpenpt,
  ptsname,
  setWindowSize,
  unlockpt,
  type WindowSize,
} from '../../sys/pty';
import { FdSource, type FdSourceOptions, fdSourceOptionFields } from '../fd-source';
import {
  type FdWriteCallback,
  FdWriter,
  type FdWriterOptions,
  fdWriterOptionFields,
} from './fd-writer';

const { O_NOCTTY, O_NONBLOCK, O_RDWR } = fsConstants;
const { EIO } = errno;

/** Options of {@link Pty}. */
export interface PtyOptions extends FdSourceOptions, FdWriterOptions {
  /** Characters in a line; 80 if not given. */
  columns?: number;
  /** Lines; 24 if not given. */
  rows?: number;
}

const optionsSchema = z.strictObject({
  ...fdSourceOptionFields,
  ...fdWriterOptionFields,
  columns: z.int().min(1).max(0xffff).default(80),
  rows: z.int().min(1).max(0xffff).default(24),
});

/** The maximum of one read: a terminal returns up to 4 KiB. Shared; the bytes are copied. */
const buffer = new Uint8Array(4_096);

/** A pseudo-terminal. It emits the bytes that were written to the slave as `data`. */
export class Pty extends FdSource<'data', Buffer> {
  /** The slave's device, "/dev/pts/3". */
  readonly name: string;
  /**
   * The typed bytes on their way: for `drain` and the waiting bytes. A program that does not read
   * its terminal makes them wait after some KiB. The Pty reports its errors.
   */
  readonly writer: FdWriter;

  /**
   * Throws EMFILE or ENFILE when there are no fds left, ENOSPC when there are kernel.pty.max
   * pseudo-terminals, and a TypeError for a wrong option.
   */
  constructor(options: PtyOptions = {}) {
    const settings = parseOptions('Pty', optionsSchema, options);
    const { highWaterMark, maxQueuedBytes, loop, columns, rows } = settings;
    const flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
    const parts: { writer?: FdWriter } = {};
    super(unwrap(posixOpenpt(flags), 'posix_openpt'), {
      ...settings,
      event: 'data',
      release: () => parts.writer?.close(),
    });
    try {
      unwrap(grantpt(this.fd), 'grantpt');
      unwrap(unlockpt(this.fd), 'unlockpt');
      this.name = nameOf(this.fd);
      this.resize({ columns, rows });
      // An fd of its own: a loop watches each fd once, and the reader watches the other one.
      const fd = unwrap(fcntl(this.fd, F_DUPFD_CLOEXEC), 'fcntl');
      this.writer = new FdWriter(fd, { highWaterMark, maxQueuedBytes, loop });
    } catch (error) {
      this.close();
      throw error;
    }
    parts.writer = this.writer;
    this.writer.on('error', (error) => this.fail(error));
  }

  /** Type `data` on the terminal; see {@link FdWriter.write}. */
  write(data: string | Uint8Array, extra?: WriteExtra, last?: FdWriteCallback): boolean {
    return this.writer.write(data, extra, last);
  }

  /** The size of the terminal in characters. */
  get size(): WindowSize {
    const size = { columns: 0, rows: 0 };
    unwrap(getWindowSize(this.openFd('get the size'), size), 'ioctl');
    return size;
  }

  /** Change the size; the programs in the foreground get SIGWINCH. */
  resize(size: WindowSize): void {
    unwrap(setWindowSize(this.openFd('resize'), size), 'ioctl');
  }

  /**
   * Open the slave: a blocking fd, close-on-exec, which is the caller's to close. It does not become
   * the controlling terminal of this process.
   */
  openSlave(): number {
    this.openFd('open the slave');
    return openSync(this.name, O_RDWR | O_NOCTTY);
  }

  override ref(): this {
    this.writer.ref();
    return super.ref();
  }

  override unref(): this {
    this.writer.unref();
    return super.unref();
  }

  protected override readOnce(fd: number): number {
    const outcome = read(fd, buffer);
    if (outcome === -EIO) return 0;
    if (outcome > 0) this.deliver(Buffer.from(buffer.subarray(0, outcome)));
    return outcome;
  }
}

function nameOf(fd: number): string {
  const name = Buffer.alloc(64);
  return name.toString('utf8', 0, unwrap(ptsname(fd, name), 'ptsname_r'));
}
