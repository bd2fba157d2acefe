/**
 * Pressure stall information, with triggers: emits when tasks had to wait too long for memory, CPU
 * or I/O. See Documentation/accounting/psi.rst of the kernel.
 *
 * The kernel reports EPOLLPRI of a trigger only to the first poll of the file: polling consumes it.
 * The waiter thread polls a loop's epoll set before the loop does, so the loop would find nothing.
 * A poll does not consume the wake-up itself: the file is always readable, and edge-triggered
 * EPOLLIN reports each wake-up of it, one per trigger. The first one is the ADD itself. An edge is
 * reported once, so an eventfd keeps it until there is a taker.
 */
import { closeSync, constants as fsConstants, openSync, readSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { parseOptions } from '../../base/options';
import { EFD_CLOEXEC, EFD_NONBLOCK, EPOLLERR, EPOLLPRI } from '../../sys/constants';
import { errno, errnoText, SystemError, unwrap } from '../../sys/errno';
import { eventfd, read, write } from '../../sys/io';
import { FdSource, type FdSourceOptions, fdSourceOptionFields } from '../fd-source';
import { FdWatcher } from '../fd-watcher';
import { type PressureReading, parsePressure } from './pressure-file';

const { O_NONBLOCK, O_RDWR } = fsConstants;
const { EINVAL, EIO, ENOENT, EOPNOTSUPP } = errno;

/** Options of {@link PressureMonitor}. */
export interface PressureMonitorOptions extends FdSourceOptions {
  /** The whole machine's pressure, or the path of a file: "/sys/fs/cgroup/web/memory.pressure". */
  resource: 'memory' | 'cpu' | 'io' | (string & {});
  /** `some`: at least one task waits; `full`: all do. `some` if not given. */
  level?: 'some' | 'full';
  /** The threshold: microseconds of waiting in a window. */
  stallUs: number;
  /**
   * Microseconds of a window, 500,000 to 10,000,000; 2,000,000 if not given. Without CAP_SYS_RESOURCE
   * it must be a multiple of 2,000,000.
   */
  windowUs?: number;
}

/** There was too much waiting. At most one record per window. */
export interface PressureRecord extends PressureReading {
  readonly resource: string;
}

const optionsSchema = z
  .strictObject({
    ...fdSourceOptionFields,
    resource: z.string().min(1),
    level: z.enum(['some', 'full']).default('some'),
    stallUs: z.int().min(1).max(10_000_000),
    windowUs: z.int().min(500_000).max(10_000_000).default(2_000_000),
  })
  .refine(({ stallUs, windowUs }) => stallUs <= windowUs, {
    path: ['stallUs'],
    message: 'must not be more than windowUs',
  });

const NAMED = ['memory', 'cpu', 'io'];
const count = new Uint8Array(8);
const one = new Uint8Array(new BigUint64Array([1n]).buffer);
const text = Buffer.alloc(512);

/**
 * Watches one trigger. It emits `pressure` with the averages of that moment: `new PressureMonitor({
 * resource: 'memory', level: 'some', stallUs: 100_000, windowUs: 2_000_000 })`.
 */
export class PressureMonitor extends FdSource<'pressure', PressureRecord> {
  readonly #resource: string;
  readonly #file: number;

  /**
   * Throws ENOENT and EOPNOTSUPP if the kernel has no PSI (or has it off: psi=1 switches it on),
   * EINVAL for a window that this user may not have, EBUSY, and a TypeError for a wrong option.
   */
  constructor(options: PressureMonitorOptions) {
    const settings = parseOptions('PressureMonitor', optionsSchema, options);
    const { resource, level, stallUs, windowUs, signal, loop } = settings;
    signal?.throwIfAborted();
    const file = openTrigger(resource, `${level} ${stallUs} ${windowUs}\0`);
    const parts: { watcher: FdWatcher | null } = { watcher: null };
    let counter: number;
    try {
      counter = unwrap(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd');
    } catch (error) {
      closeSync(file);
      throw error;
    }
    super(counter, {
      signal,
      loop,
      event: 'pressure',
      release: () => {
        parts.watcher?.close();
        closeSync(file);
      },
    });
    this.#resource = resource;
    this.#file = file;
    let isFirst = true;
    try {
      const watching = { readable: true, priority: true, edge: true };
      parts.watcher = new FdWatcher(file, loop === undefined ? watching : { ...watching, loop });
    } catch (error) {
      this.close();
      throw error;
    }
    // The counter decides whether the process is held open, so this one does not.
    parts.watcher.unref().on('events', (events) => {
      const isNews = !isFirst || (events & (EPOLLPRI | EPOLLERR)) !== 0;
      isFirst = false;
      if (isNews) write(counter, one);
    });
    // The next read reports the error.
    parts.watcher.on('error', () => {});
  }

  /** The present averages. */
  get reading(): PressureReading {
    this.openFd('read');
    const length = this.#readFile();
    return parsePressure(text.toString('latin1', 0, unwrap(length, 'read')));
  }

  protected override readOnce(fd: number): number {
    const outcome = read(fd, count);
    if (outcome < 0) return outcome;
    const length = this.#readFile();
    // ENODEV: the cgroup is removed.
    if (length < 0) return length;
    const reading = parsePressure(text.toString('latin1', 0, length));
    this.deliver({ resource: this.#resource, ...reading });
    return outcome;
  }

  /** Read from the start of the file, whatever was read before. Returns bytes or -errno. */
  #readFile(): number {
    try {
      return readSync(this.#file, text, 0, text.byteLength, 0);
    } catch (error) {
      return (error as NodeJS.ErrnoException).errno ?? -EIO;
    }
  }
}

/** A trigger lives as long as the fd that it was written to. */
function openTrigger(resource: string, trigger: string): number {
  const path = NAMED.includes(resource) ? `/proc/pressure/${resource}` : resource;
  let file: number | null = null;
  try {
    file = openSync(path, O_RDWR | O_NONBLOCK);
    writeSync(file, trigger);
    return file;
  } catch (error) {
    if (file !== null) closeSync(file);
    const { errno: outcome = -EIO, syscall = 'open' } = error as NodeJS.ErrnoException;
    throw new SystemError(syscall, outcome, { reason: reasonOf(outcome, path) });
  }
}

function reasonOf(outcome: number, path: string): string {
  switch (-outcome) {
    case ENOENT:
    case EOPNOTSUPP:
      return `"${path}" is not there or is off: the kernel needs PSI (CONFIG_PSI, and psi=1 at boot)`;
    case EINVAL:
      return `"${path}" refuses the trigger: without CAP_SYS_RESOURCE windowUs must be a multiple of 2000000`;
    default:
      return `${errnoText(outcome)}, "${path}"`;
  }
}
