/**
 * Slow work off the loop: a query, a hash, a file goes to a thread, and its completion comes back to the
 * thread that asked.
 *
 * The tasks of one key (a connection, say) run one after the other, in the order of the calls; those of
 * different keys side by side. The queue is bounded: one task too many is an error at once. A scheduler
 * belongs to the thread that made it; in a pool of reactors each has its own.
 *
 * The threads are piscina's (see task-thread.ts), which is loaded when the first task comes.
 */
import { types } from 'node:util';
import { parseOptions } from '../../base/options';
import { Waker } from '../../epoll/waker';
import type { EventLoop } from '../../loop/event-loop';
import type { Registration } from '../../loop/registration';
import { EPOLLIN } from '../../sys/constants';
import {
  canceled,
  deadlinePassed,
  queueFull,
  schedulerClosed,
  taskModule,
  warnOfTaskThread,
} from '../errors';
import {
  checkTaskOptions,
  closeSchema,
  schedulerSchema,
  type TaskOptions,
  type TaskSchedulerOptions,
  type TaskSchedulerStats,
} from './options';
import { isFailure } from './protocol';
import { type KeyLine, TaskQueue } from './queue';
import { Task } from './task';
import { type Outcome, TaskThread } from './task-thread';

/** `open`. `closing`: takes no tasks, and finishes those it has. `closed`: begins none any more. */
type SchedulerState = 'open' | 'closing' | 'closed';

/** What {@link TaskScheduler.close} came to. */
export interface TaskCloseResult {
  /** Tasks that ended before the deadline. */
  ended: number;
  /** Tasks that were given up: they got ERR_TASK_SCHEDULER_CLOSED. */
  cut: number;
}

/** See the head of this file. */
export class TaskScheduler {
  readonly #module: string;
  readonly #maxQueued: number;
  readonly #deadlineMs: number;
  readonly #queue = new TaskQueue<Task>();
  readonly #threads: TaskThread[];
  /** Of each task that a thread works at. */
  readonly #threadOf = new Map<Task, TaskThread>();
  /** Wakes an inline loop, which does not see what Node's own loop has got. */
  #bell: Waker | null = null;
  #registration: Registration | null = null;
  #state: SchedulerState = 'open';
  #closing: Promise<TaskCloseResult> | null = null;
  #onEmpty: (() => void) | null = null;
  #completed = 0;
  #failed = 0;
  #refused = 0;
  #late = 0;
  #canceled = 0;
  #crashes = 0;

  /** Throws a TypeError that names a wrong option. No thread is started yet. */
  constructor(options: TaskSchedulerOptions) {
    const checked = parseOptions('TaskScheduler', schedulerSchema, options);
    this.#module = checked.module;
    this.#maxQueued = checked.maxQueued;
    this.#deadlineMs = checked.deadlineMs;
    if (checked.loop?.isInline === true) this.#hangBell(checked.loop);
    const settings = {
      module: checked.module,
      idleTimeoutMs: checked.idleTimeoutMs,
      resourceLimits: checked.resourceLimits,
      nice: checked.nice,
      bellFd: this.#bell?.fd ?? -1,
    };
    const owner = {
      onTaskEnd: (task: Task, outcome: Outcome) => this.#onTaskEnd(task, outcome),
      onCrash: (error: unknown) => this.#onCrash(error),
      onRested: () => this.#pump(),
    };
    this.#threads = Array.from({ length: checked.threads }, () => new TaskThread(settings, owner));
  }

  /**
   * Have a thread call the module's function (`run`, or `name`) with a copy of `payload`, as
   * `postMessage` copies it. A promise of a copy of what it returns; a Buffer arrives as a Uint8Array.
   *
   * Tasks of one `key` begin and end in the order of the calls. The promise rejects with
   *
   * - what the function threw, with its stack and its `code`;
   * - ERR_TASK_QUEUE_FULL at once, if `maxQueued` tasks wait;
   * - ERR_TASK_DEADLINE at its deadline, counted from this call; the reason of `signal` when that is
   *   aborted; ERR_TASK_CANCELED when its key emits `close`, has closed already, or is given to
   *   {@link cancel}. A task that waits never begins then, and neither is waited for. One that runs
   *   goes on to its end, and its result is dropped; until then it takes its thread and its key. With
   *   `terminate` its thread is terminated, and replaced;
   * - ERR_TASK_CRASHED if its thread ends by an uncaught exception, process.exit or a memory limit;
   *   the error is its `cause`. It is not tried again;
   * - ERR_TASK_MODULE if the module cannot be loaded, or has no such function;
   * - ERR_TASK_SCHEDULER_CLOSED after {@link close}, and at its deadline;
   * - a DataCloneError for a payload or a result that cannot be copied, a TypeError or RangeError for a wrong option.
   *
   * Peers cause most of these: a client that leaves must not become an unhandled rejection. Keys that
   * are TcpConnections with a `handler` of their own emit no `close`: call `cancel` in `onClose`.
   * Without, tasks that wait for one that has closed are canceled when it is their turn.
   */
  run<R = unknown>(payload: unknown, options: TaskOptions = {}): Promise<R> {
    return new Promise((resolve, reject) => {
      checkTaskOptions(options);
      const { deadlineMs = this.#deadlineMs, signal } = options;
      const key = options.key ?? undefined;
      const promise = { resolve: resolve as (result: unknown) => void, reject };
      const task = new Task(payload, { ...options, deadlineMs }, promise);
      if (this.#state !== 'open') throw schedulerClosed();
      signal?.throwIfAborted();
      if (hasClosed(key)) {
        this.#canceled += 1;
        throw canceled('its key has closed');
      }
      this.#submit(task, key);
    });
  }

  /**
   * Give up all tasks of `key`, which get ERR_TASK_CANCELED. Returns how many. A running
   * task goes on or is terminated, as {@link run} describes.
   */
  cancel(key: unknown): number {
    return this.#cancel(key, 'cancel() was called for its key');
  }

  /** Tasks so far, and those there are now. */
  stats(): TaskSchedulerStats {
    return {
      threads: this.#threads.filter((thread) => thread.isReady).length,
      running: this.#threadOf.size,
      waiting: this.#queue.waiting,
      keys: this.#queue.keys,
      completed: this.#completed,
      failed: this.#failed,
      refused: this.#refused,
      late: this.#late,
      canceled: this.#canceled,
      crashes: this.#crashes,
    };
  }

  /**
   * Take no more tasks, finish those that run and wait, and give up what is left at the deadline
   * (10,000 ms if not given), with the threads that work at it. Resolves when all threads have ended.
   * Called again, it gives the same result; the first deadline holds. Rejects with a TypeError that
   * names a wrong option.
   */
  async close(options: { deadlineMs?: number } = {}): Promise<TaskCloseResult> {
    const { deadlineMs } = parseOptions('close', closeSchema, options);
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #hangBell(loop: EventLoop): void {
    const bell = new Waker();
    try {
      const handler = { onEvents: () => void bell.drain(), onRevoked: () => {} };
      this.#registration = loop.add(bell.fd, EPOLLIN, handler);
      this.#registration.unref();
    } catch (error) {
      bell.close();
      throw error;
    }
    this.#bell = bell;
  }

  #submit(task: Task, key: unknown): void {
    const line = key === undefined ? null : (this.#queue.lineOf(key) ?? null);
    const thread = line === null && !this.#queue.hasReady ? this.#idleThread() : undefined;
    if (thread === undefined && this.#queue.waiting >= this.#maxQueued) {
      this.#refused += 1;
      throw queueFull(this.#maxQueued);
    }
    if (thread?.isReady === true) task.trim();
    else task.keep();
    task.watch(this);
    this.#queue.add(task, key === undefined ? null : (line ?? this.#openLine(key)));
    this.#pump();
  }

  /** For a {@link Task}. @internal */
  onDeadline(task: Task): void {
    this.#late += 1;
    this.#giveUp(task, deadlinePassed(task.deadlineMs, task.state === 'running'));
  }

  /** For a {@link Task}. @internal */
  onAbort(task: Task, reason: unknown): void {
    this.#canceled += 1;
    this.#giveUp(task, reason);
  }

  #openLine(key: unknown): KeyLine<Task> {
    const line = this.#queue.open(key);
    if (!emitsClose(key)) return line;
    const onClose = (): void => void this.#cancel(key, 'its key has closed');
    key.once('close', onClose);
    line.onEmpty = () => key.off('close', onClose);
    return line;
  }

  #idleThread(): TaskThread | undefined {
    const idle = this.#threads.filter((thread) => thread.isIdle);
    return idle.find((thread) => thread.isReady) ?? idle[0];
  }

  /** Give threads that have nothing to do what may start. */
  #pump(): void {
    while (this.#state !== 'closed') {
      const thread = this.#queue.hasReady ? this.#idleThread() : undefined;
      const task = thread === undefined ? null : this.#queue.take();
      if (thread === undefined || task === null) break;
      if (hasClosed(task.line?.key)) {
        this.#canceled += 1;
        this.#settle(task, () => task.reject(canceled('its key has closed')));
        continue;
      }
      task.state = 'running';
      this.#threadOf.set(task, thread);
      thread.run(task);
    }
    this.#hold();
    if (this.#queue.waiting === 0 && this.#threadOf.size === 0) this.#onEmpty?.();
  }

  #onTaskEnd(task: Task, outcome: Outcome): void {
    this.#threadOf.delete(task);
    const isWanted = task.state === 'running';
    this.#settle(task, () => {
      if (isWanted) this.#deliver(task, outcome);
    });
    this.#pump();
  }

  #deliver(task: Task, outcome: Outcome): void {
    if (outcome.kind === 'result') {
      this.#completed += 1;
      task.resolve(outcome.result);
      return;
    }
    this.#failed += 1;
    task.reject(outcome.kind === 'failure' ? this.#errorOf(outcome.failure) : outcome.error);
  }

  /** The value that the thread threw, as it was there. */
  #errorOf(failure: unknown): unknown {
    if (!isFailure(failure)) return failure;
    const { failure: kind, reason, thrown, fields } = failure;
    if (types.isNativeError(thrown)) restore(thrown, fields);
    return kind === 'module' ? taskModule(this.#module, reason, thrown) : thrown;
  }

  /** The end of a task that waits no more and does not run: first its promise, then the next one. */
  #settle(task: Task, settle: () => void): void {
    settle();
    task.state = 'settled';
    this.#queue.release(task);
  }

  #giveUp(task: Task, error: unknown): void {
    if (task.state === 'waiting') {
      task.reject(error);
      task.state = 'settled';
      this.#queue.remove(task);
      this.#pump();
    } else if (task.state === 'running') {
      task.reject(error);
      task.state = 'abandoned';
      if (task.terminate) this.#threadOf.get(task)?.terminate();
    }
  }

  #cancel(key: unknown, reason: string): number {
    const line = this.#queue.lineOf(key);
    if (line === undefined) return 0;
    const { holder } = line;
    let count = 0;
    // The last ones first: each that leaves from the front would let the next one begin.
    for (let task = line.waiting.last; task !== null; task = line.waiting.last) {
      this.#giveUp(task, canceled(reason));
      count += 1;
    }
    if (holder !== null && (holder.state === 'waiting' || holder.state === 'running')) {
      this.#giveUp(holder, canceled(reason));
      count += 1;
    }
    this.#canceled += count;
    return count;
  }

  #onCrash(error: unknown): void {
    this.#crashes += 1;
    if (error === null) return;
    warnOfTaskThread(error);
  }

  /** A pause after a crash holds the process only if a task waits for its end. */
  #hold(): void {
    for (const thread of this.#threads) thread.setHeld(this.#queue.waiting > 0);
  }

  async #close(deadlineMs: number): Promise<TaskCloseResult> {
    this.#state = 'closing';
    const before = this.#completed + this.#failed;
    let cut = 0;
    await this.#empty(deadlineMs);
    this.#state = 'closed';
    const error = schedulerClosed(`the task had not ended within ${deadlineMs} ms`);
    for (const task of [...this.#queue, ...this.#threadOf.keys()]) {
      if (task.state === 'waiting' || task.state === 'running') cut += 1;
      this.#giveUp(task, error);
    }
    await Promise.all(this.#threads.map((thread) => thread.close()));
    this.#registration?.remove();
    this.#bell?.close();
    return { ended: this.#completed + this.#failed - before, cut };
  }

  /** Resolves when there is no task any more, or after `deadlineMs`. */
  #empty(deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#pump();
    });
  }
}

/** Give the copy of an error what it has lost on its way. */
function restore(error: Error, fields: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(fields)) {
    if ((error as unknown as Record<string, unknown>)[name] === value) continue;
    const isListed = name !== 'name';
    const property = { value, writable: true, configurable: true, enumerable: isListed };
    Object.defineProperty(error, name, property);
  }
}

/** Whether `key` says when it closes, as connections, sockets and responses do. */
function emitsClose(key: unknown): key is {
  once(event: 'close', listener: () => void): void;
  off(event: 'close', listener: () => void): void;
} {
  if (typeof key !== 'object' || key === null) return false;
  const { once, off } = key as Record<string, unknown>;
  return typeof once === 'function' && typeof off === 'function';
}

/** Whether `key` is a connection, a stream or a WebSocket that has closed. */
function hasClosed(key: unknown): boolean {
  if (typeof key !== 'object' || key === null) return false;
  const { closed, destroyed, open } = key as Record<string, unknown>;
  return closed === true || destroyed === true || open === false;
}
