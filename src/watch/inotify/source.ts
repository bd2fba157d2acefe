/**
 * The reading half of {@link Inotify} and {@link InotifyTree}: reads the events from the fd, joins
 * the halves of renames, and passes each change to its subclass, in order.
 */
import { z } from 'zod';
import { defaultLoop } from '../../loop/default-loop';
import type { EventLoop } from '../../loop/event-loop';
import { WheelTimer } from '../../loop/timer-wheel';
import { IN_CLOEXEC, IN_NONBLOCK } from '../../sys/constants';
import { errno, errnoText, SystemError, unwrap } from '../../sys/errno';
import { decodeInotifyEvents, inotifyAddWatch, inotifyInit1 } from '../../sys/inotify';
import { read } from '../../sys/io';
import { FdSource, type FdSourceOptions, fdSourceOptionFields } from '../fd-source';
import { type QueuedChange, RenameQueue } from './rename-queue';

const { EAGAIN, EINTR, EMFILE, ENOSPC } = errno;

/** Options of the classes that read inotify. */
export interface InotifyOptions extends FdSourceOptions {
  /**
   * Milliseconds for which "moved from", and all later events, wait for its "moved to"; 10 if not
   * given. The full time passes only if something leaves for an unwatched place.
   */
  renameWaitMs?: number;
}

/** The fields of {@link InotifyOptions} for schemas. */
export const inotifyOptionFields = {
  ...fdSourceOptionFields,
  renameWaitMs: z.number().min(0).max(10_000).default(10),
};

/** Room for 240 events with the longest names. Shared: events are decoded at once. */
const buffer = new Uint8Array(65_536);
/** Further reads for the other half of a rename, when one read ended between the halves. */
const EXTRA_READS = 4;

/** An inotify fd. */
export abstract class InotifySource<R> extends FdSource<'change', R> {
  readonly #queue: RenameQueue;
  readonly #loop: EventLoop;
  readonly #timer = new WheelTimer({ onTimer: () => this.#onDeadline() });

  /** `release` as of {@link FdSource}. */
  protected constructor(
    { renameWaitMs, ...options }: z.output<typeof schema>,
    release: () => void = () => {},
  ) {
    super(openInotify(), { ...options, event: 'change', release });
    this.#loop = options.loop ?? defaultLoop();
    this.#queue = new RenameQueue(renameWaitMs);
  }

  /** One change, in order. */
  protected abstract onChange(change: QueuedChange): void;

  protected override readOnce(fd: number): number {
    const outcome = this.#fill(fd);
    this.#deliverReady();
    return outcome;
  }

  /** Throws an error that names the remedy. */
  protected addWatch(path: string | Uint8Array, mask: number): number {
    const outcome = inotifyAddWatch(this.openFd('add'), path, mask);
    if (outcome >= 0) return outcome;
    throw watchError(outcome, path);
  }

  #fill(fd: number): number {
    let outcome = read(fd, buffer);
    for (let extra = 0; outcome > 0; extra += 1) {
      for (const event of decodeInotifyEvents(buffer, outcome)) this.#queue.push(event);
      if (!this.#queue.endsInHalf || extra === EXTRA_READS) break;
      const more = read(fd, buffer);
      if (more === -EAGAIN || more === -EINTR) break;
      outcome = more;
    }
    return outcome;
  }

  #deliverReady(): void {
    for (let change = this.#queue.next(); change !== null; change = this.#queue.next()) {
      if (this.closed) return;
      this.onChange(change);
    }
    const { deadline } = this.#queue;
    if (deadline === Infinity || this.closed) return this.#loop.timers.cancel(this.#timer);
    this.#loop.timers.schedule(this.#timer, deadline - performance.now());
  }

  /** If this thread was busy for longer than the wait, the other half may be there already. */
  #onDeadline(): void {
    if (this.closed) return;
    this.#fill(this.fd);
    this.#deliverReady();
  }
}

const schema = z.strictObject(inotifyOptionFields);

function openInotify(): number {
  const outcome = inotifyInit1(IN_NONBLOCK | IN_CLOEXEC);
  if (outcome !== -EMFILE) return unwrap(outcome, 'inotify_init1');
  const reason = 'no fd is left, or the user has fs.inotify.max_user_instances instances already';
  throw new SystemError('inotify_init1', outcome, { reason });
}

/** The error for a path that cannot be watched, with the remedy. */
export function watchError(
  outcome: number,
  path: string | Uint8Array,
  syscall = 'inotify_add_watch',
): SystemError {
  const name = typeof path === 'string' ? path : Buffer.from(path).toString();
  const reason =
    outcome === -ENOSPC
      ? `no watch is left for "${name}": raise the sysctl fs.inotify.max_user_watches`
      : `${errnoText(outcome)}, "${name}"`;
  return new SystemError(syscall, outcome, { reason });
}
