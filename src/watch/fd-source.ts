/**
 * An fd of the package's own making that is read here, and told of as typed records: the base of
 * the timers, signals, file changes and so on.
 *
 * Records come as events and from an async iterator. Nothing is read while nobody asks: without a
 * listener for the records, or with an iterator that is not waiting, they stay in the kernel. So
 * none is lost before the first `on`, and a slow consumer of the iterator is not flooded (what the
 * kernel does when its own queue is full, the source's class says). What one read brings beyond what
 * was asked for is kept here, and told first when somebody asks again.
 */
import { EventEmitter } from 'eventemitter3';
import { z } from 'zod';
import { outsideCallers } from '../base/context';
import { sourceClosed } from '../base/errors';
import { signalField } from '../base/option-fields';
import { reportFailure } from '../base/unheard';
import { defaultLoop } from '../loop/default-loop';
import { EventLoop } from '../loop/event-loop';
import { closeRefused } from '../loop/registration';
import { errno, SystemError } from '../sys/errno';
import { EventIterator } from './event-iterator';
import { type FdInterest, FdWatcher } from './fd-watcher';

const { EAGAIN, EINTR } = errno;

/** Options of every source. */
export interface FdSourceOptions {
  /** Close the source when this is aborted. */
  signal?: AbortSignal | undefined;
  /** The loop that watches; this thread's default loop if not given. */
  loop?: EventLoop | undefined;
}

/** The fields of {@link FdSourceOptions} for the schemas of sources. */
export const fdSourceOptionFields = {
  signal: signalField.optional(),
  loop: z.instanceof(EventLoop).optional(),
};

/** Events of a source that tells of its records under `Name`. */
export type FdSourceEvents<Name extends string, T> = { [K in Name]: [record: T] } & {
  /** The fd failed. Without a listener it becomes an uncaught exception; `close` follows. */
  error: [error: Error];
  /** The source is closed, its fd as soon as the listeners have returned; nothing follows. */
  close: [];
};

/** What a source tells its base. */
export interface FdSourceSetup<Name extends string> extends FdSourceOptions {
  /** The event under which records are told. */
  event: Name;
  /** What is waited for; EPOLLIN if not given. Sources are level-triggered. */
  interest?: Omit<FdInterest, 'edge' | 'oneShot'>;
  /**
   * Give back what the class holds besides the fd. Called once: when the source closes for whatever
   * reason, before that is told, or when it could not be made.
   */
  release?: () => void;
}

/** Reads of one fd before the others have their turn. */
const READS_PER_TURN = 16;

/**
 * An fd that yields records of type `T`. An emitter of eventemitter3: `instanceof` the EventEmitter of
 * node:events is false.
 */
export abstract class FdSource<Name extends string, T>
  extends EventEmitter<FdSourceEvents<Name, T>>
  implements AsyncIterable<T>
{
  readonly #watcher: FdWatcher;
  readonly #loop: EventLoop;
  readonly #event: Name;
  readonly #interest: FdInterest;
  readonly #signal: AbortSignal | undefined;
  readonly #release: (() => void) | undefined;
  /** Records of the last read that nobody asked for. */
  readonly #kept: T[] = [];
  readonly #serveKept = (): void => this.#tellKept();
  #iterator: EventIterator<T> | null = null;
  /** `flowing`: the fd is watched. `resting`: it was ready and nobody asked. */
  #state: 'flowing' | 'resting' | 'closed' = 'flowing';

  /**
   * Takes `fd` over: it is closed with the source, and if this constructor throws; see
   * {@link closeRefused}.
   */
  constructor(fd: number, { event, interest, signal, loop, release }: FdSourceSetup<Name>) {
    super();
    this.#event = event;
    this.#interest = interest ?? { readable: true };
    this.#signal = signal;
    this.#release = release;
    try {
      this.#loop = loop ?? defaultLoop();
      this.#watcher = new FdWatcher(fd, {
        ...this.#interest,
        loop: this.#loop,
        autoClose: true,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      closeRefused(fd, error);
      release?.();
      throw error;
    }
    this.#watcher.on('events', () => this.#onEvents());
    this.#watcher.on('error', (error) => this.fail(error));
    this.#watcher.on('close', () => this.#onClose());
  }

  /** The fd, which stays ours; -1 once closed. */
  get fd(): number {
    return this.#state === 'closed' ? -1 : this.#watcher.fd;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** Hold the process open; the default. */
  ref(): this {
    this.#watcher.ref();
    return this;
  }

  /** Do not hold the process open. */
  unref(): this {
    this.#watcher.unref();
    return this;
  }

  /** Stop and close the fd. A second call does nothing. */
  close(): void {
    this.#watcher.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The records as they come: `for await (const record of source)`. Leaving the loop closes the
   * source; an abort ends it with the signal's reason. While there is an iterator, listeners too
   * hear only of what it asks for.
   */
  [Symbol.asyncIterator](): AsyncIterator<T, void> {
    if (this.#iterator !== null) return this.#iterator;
    const iterator = new EventIterator<T>({
      arm: () => this.#arm(),
      close: () => this.close(),
    });
    this.#iterator = iterator;
    for (const record of this.#kept.splice(0)) iterator.push(record);
    if (this.closed) iterator.end(undefined);
    return iterator;
  }

  /** As of every emitter; a listener for records (again) starts the reading. */
  override on<E extends EventEmitter.EventNames<FdSourceEvents<Name, T>>>(
    event: E,
    listener: EventEmitter.EventListener<FdSourceEvents<Name, T>, E>,
    context?: unknown,
  ): this {
    super.on(event, listener, context);
    this.#arm();
    return this;
  }

  /** As {@link on}. */
  override addListener<E extends EventEmitter.EventNames<FdSourceEvents<Name, T>>>(
    event: E,
    listener: EventEmitter.EventListener<FdSourceEvents<Name, T>, E>,
    context?: unknown,
  ): this {
    return this.on(event, listener, context);
  }

  /** As {@link on}, for one event: what comes after it stays in the kernel. */
  override once<E extends EventEmitter.EventNames<FdSourceEvents<Name, T>>>(
    event: E,
    listener: EventEmitter.EventListener<FdSourceEvents<Name, T>, E>,
    context?: unknown,
  ): this {
    super.once(event, listener, context);
    this.#arm();
    return this;
  }

  /**
   * Take from the fd once and {@link deliver} what came. Returns what read(2) would: more than 0 to
   * be called again while there are takers, -EAGAIN when there is no more for now, 0 at the end
   * (which closes the source), or another -errno (which fails it, as an error of read(2)). An fd that
   * is not read works the same way: deliver, and return -EAGAIN, or 0 after the only record.
   */
  protected abstract readOnce(fd: number): number;

  /** The fd for a call of the user's; throws if the source is closed. */
  protected openFd(action: string): number {
    if (this.#state !== 'closed') return this.#watcher.fd;
    throw sourceClosed(action, this.constructor.name);
  }

  /** Tell of one record. */
  protected deliver(record: T): void {
    if (this.#state === 'closed') return;
    if (this.#iterator === null && (this.#kept.length > 0 || !this.#isWanted)) {
      this.#kept.push(record);
    } else {
      this.#tellRecord(record);
    }
  }

  /** The source cannot go on: tell why, and close. */
  protected fail(error: Error): void {
    if (this.#state === 'closed') return;
    this.#iterator?.end(error);
    reportFailure(this as EventEmitter, error, this.#iterator !== null);
    this.close();
  }

  get #isWanted(): boolean {
    if (this.#state === 'closed') return false;
    if (this.#iterator !== null) return this.#iterator.isWaiting;
    return (this as EventEmitter).listenerCount(this.#event) > 0;
  }

  #onEvents(): void {
    for (let reads = 0; reads < READS_PER_TURN; reads += 1) {
      this.#tellKept();
      if (!this.#isWanted) break;
      const outcome = this.readOnce(this.#watcher.fd);
      if (outcome === -EAGAIN) return;
      if (outcome === 0) return this.close();
      if (outcome < 0 && outcome !== -EINTR) {
        return this.fail(new SystemError('read', outcome, { fd: this.#watcher.fd }));
      }
    }
    if (this.#state === 'flowing' && !this.#isWanted) this.#rest();
  }

  /** One-shot without events: a hang-up, which cannot be masked, is reported once and no more. */
  #rest(): void {
    this.#state = 'resting';
    this.#watcher.modify({ readable: false, oneShot: true });
  }

  #arm(): void {
    if (!this.#isWanted) return;
    if (this.#kept.length > 0) outsideCallers(() => process.nextTick(this.#serveKept));
    if (this.#state !== 'resting') return;
    this.#state = 'flowing';
    this.#watcher.modify(this.#interest);
  }

  #onClose(): void {
    this.#state = 'closed';
    this.#kept.length = 0;
    try {
      this.#release?.();
    } finally {
      this.#iterator?.end(this.#signal?.aborted === true ? this.#signal.reason : undefined);
      this.#tell('close');
    }
  }

  #tellKept(): void {
    while (this.#kept.length > 0 && this.#isWanted) this.#tellRecord(this.#kept.shift() as T);
  }

  #tellRecord(record: T): void {
    this.#iterator?.push(record);
    try {
      this.#tell(this.#event, record);
    } catch (error) {
      this.#loop.uncaught(error);
    }
  }

  #tell(name: string, ...args: unknown[]): boolean {
    return (this as EventEmitter).emit(name, ...args);
  }
}
