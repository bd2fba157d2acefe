/**
 * An fd that this package opened and reads, as a stream of typed records: the base of timers,
 * signals, file changes and so on.
 *
 * Each of these classes is both an event emitter and an async iterable. It reads from the fd only
 * while it has a listener for records or a pending `next()`; until then records stay in the kernel.
 * So none is lost before the first `on`, and a slow consumer of the iterator is not flooded (the
 * class of the source says what the kernel does when its own queue is full). If one read brings
 * more than was asked for, the rest is kept here, and delivered first.
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

/** Events of a source that emits its records as `Name`. */
export type FdSourceEvents<Name extends string, T> = { [K in Name]: [record: T] } & {
  /** The fd failed. Without a listener it becomes an uncaught exception; `close` follows. */
  error: [error: Error];
  /** The source is closed, its fd as soon as the listeners have returned; nothing follows. */
  close: [];
};

/** The description of a source for its base class. */
export interface FdSourceSetup<Name extends string> extends FdSourceOptions {
  /** The event of a record. */
  event: Name;
  /** The interest mask; EPOLLIN if not given. Sources are level-triggered. */
  interest?: Omit<FdInterest, 'edge' | 'oneShot'>;
  /**
   * Release the resources of the class besides the fd. Called once: before `close` is emitted, or
   * when the constructor fails.
   */
  release?: () => void;
}

/** Reads of one fd in a turn; then other fds get theirs. */
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
  /** Records of the last read that have no taker yet. */
  readonly #kept: T[] = [];
  readonly #serveKept = (): void => this.#emitKept();
  #iterator: EventIterator<T> | null = null;
  /** `flowing`: the fd is watched. `resting`: it was ready and had no taker. */
  #state: 'flowing' | 'resting' | 'closed' = 'flowing';

  /**
   * Takes `fd` over: closes it with the source, and if this constructor throws; see {@link
   * closeRefused}.
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
   * The records in order: `for await (const record of source)`. Leaving the loop closes the source;
   * an abort ends it with the signal's reason. While there is an iterator, listeners too receive
   * only the records that it asks for.
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

  /** As in every emitter; a listener for records also starts the reading. */
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

  /** As {@link on}, for one event; later records stay in the kernel. */
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
   * Read from the fd once and {@link deliver} the records. Returns as read(2): more than 0 to be
   * called again while there are takers, -EAGAIN when there is no more for now, 0 at the end (which
   * closes the source), or another -errno (which fails it, as an error of read(2)). A source that
   * does not read its fd works the same way: it delivers and returns -EAGAIN, or 0 after its only
   * record.
   */
  protected abstract readOnce(fd: number): number;

  /** The fd for a call of the user's; throws if the source is closed. */
  protected openFd(action: string): number {
    if (this.#state !== 'closed') return this.#watcher.fd;
    throw sourceClosed(action, this.constructor.name);
  }

  /** Emit one record, or keep it for the next taker. */
  protected deliver(record: T): void {
    if (this.#state === 'closed') return;
    if (this.#iterator === null && (this.#kept.length > 0 || !this.#isWanted)) {
      this.#kept.push(record);
    } else {
      this.#emitRecord(record);
    }
  }

  /** The source cannot go on: report the error, and close. */
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
      this.#emitKept();
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

  /** One-shot without events: a hang-up, which cannot be masked, is then reported only once. */
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
      this.#emitAny('close');
    }
  }

  #emitKept(): void {
    while (this.#kept.length > 0 && this.#isWanted) this.#emitRecord(this.#kept.shift() as T);
  }

  #emitRecord(record: T): void {
    this.#iterator?.push(record);
    try {
      this.#emitAny(this.#event, record);
    } catch (error) {
      this.#loop.uncaught(error);
    }
  }

  #emitAny(name: string, ...args: unknown[]): boolean {
    return (this as EventEmitter).emit(name, ...args);
  }
}
