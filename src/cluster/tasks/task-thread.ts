/**
 * One task thread, now and after it has crashed.
 *
 * It is a pool of piscina's with a single thread. One pool of several would choose the thread by itself,
 * and leave a task in its queue for ever whose thread ended while it loaded; here the thread of a task
 * is known, so it can be terminated alone, and its end is the end of that task.
 *
 * A thread is not terminated while it loads the user's module: if that loads koffi, the process would
 * abort (see base/loading-threads.ts). So `close`, and the process's 'exit', wait for one that still loads.
 */
import { extname, join } from 'node:path';
import type { ResourceLimits } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { outsideCallers } from '../../base/context';
import {
  guardLoading,
  newLoadingWord,
  releaseLoading,
  untilLoaded,
} from '../../base/loading-threads';
import { runtimeFor } from '../../base/script-thread';
import { crashed } from '../errors';
import type { Call, ThreadData } from './protocol';
import type { Task } from './task';

/** The first crash costs no pause, the second this, and each further one twice as long. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** The end of the scheduler waits at most so long for a thread that loads. */
const LOADING_MS = 5_000;

/**
 * The outcome of a task: its result; what the thread threw for it, or why it could not be posted; or the
 * end of the thread, by itself or by {@link TaskThread.terminate}.
 */
export type Outcome =
  | { kind: 'result'; result: unknown }
  | { kind: 'failure'; failure: unknown }
  | { kind: 'crash' | 'terminated'; error: Error };

/** For the scheduler, whose methods these are. */
export interface ThreadOwner {
  onTaskEnd(task: Task, outcome: Outcome): void;
  /** The thread has crashed; `error` is null if a task has it. */
  onCrash(error: unknown): void;
  /** The thread can take a task again, after a pause. */
  onRested(): void;
}

/** How a thread is started. */
export interface ThreadSettings {
  module: string;
  idleTimeoutMs: number;
  resourceLimits: ResourceLimits | undefined;
  nice: number;
  bellFd: number;
}

/** `idle`: takes a task. `busy`: has one. `resting`: crashed, and pauses. `closed`. */
type ThreadState = 'idle' | 'busy' | 'resting' | 'closed';

/** See the head of this file. */
export class TaskThread {
  readonly #owner: ThreadOwner;
  readonly #settings: ThreadSettings;
  readonly #progress = newLoadingWord();
  #state: ThreadState = 'idle';
  #pool: Piscina | null = null;
  /** The worker is there, and has loaded the module. */
  #isReady = false;
  /** The worker has ended since the task began. */
  #hasEnded = false;
  /** Why it ended, where no task was in it. */
  #cause: unknown = null;
  #crashesInARow = 0;
  #pause: NodeJS.Timeout | null = null;
  /** The end of a worker that is being terminated. */
  #ending: Promise<void> | null = null;

  constructor(settings: ThreadSettings, owner: ThreadOwner) {
    this.#settings = settings;
    this.#owner = owner;
  }

  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** Whether a task is posted to it in the call of {@link run}. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Work at `task`, and report its end. Only while idle. */
  run(task: Task): void {
    this.#state = 'busy';
    this.#hasEnded = false;
    const call: Call = { name: task.name, payload: task.payload };
    this.#post(call, task.transfer).then(
      (result) => this.#end(task, { kind: 'result', result }),
      (reason) => this.#onRejected(task, reason),
    );
  }

  /** End the thread with the task that it works at, which is reported when the thread has ended. */
  terminate(): void {
    if (this.#state === 'busy') this.#ending ??= this.#destroy();
  }

  /** Whether the pause after a crash holds the process. */
  setHeld(held: boolean): void {
    if (held) this.#pause?.ref();
    else this.#pause?.unref();
  }

  /** End the thread. Resolves when it has ended. */
  async close(): Promise<void> {
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#state = 'closed';
    this.#ending ??= this.#destroy();
    await this.#ending;
  }

  /** Posted at once if the worker is ready; piscina starts one if there is none. */
  async #post(call: Call, transfer: Task['transfer']): Promise<unknown> {
    const transferList = [...transfer] as never[];
    if (this.#isReady) return this.#pool?.run(call, { transferList });
    // The worker must not keep the context of its first caller.
    return outsideCallers(() => {
      this.#pool ??= this.#open();
      guardLoading(this.#progress);
      return this.#pool.run(call, { transferList });
    });
  }

  #open(): Piscina {
    const { module, idleTimeoutMs, resourceLimits, nice, bellFd } = this.#settings;
    const script = join(__dirname, `thread-script${extname(__filename)}`);
    const data: ThreadData = { module, progress: this.#progress, nice, bellFd };
    const { Piscina } = require('piscina') as typeof import('piscina');
    const pool = new Piscina({
      filename: script,
      name: 'run',
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: idleTimeoutMs > 0 ? idleTimeoutMs : Infinity,
      // The module may have connections and timers of its own between two tasks.
      atomics: 'disabled',
      recordTiming: false,
      workerData: data,
      ...runtimeFor(script, module),
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
    });
    pool.on('workerCreate', () => this.#onWorkerReady());
    pool.on('workerDestroy', () => this.#onWorkerEnd());
    pool.on('error', (error) => this.#onPoolError(error));
    return pool;
  }

  #onWorkerReady(): void {
    this.#isReady = true;
    releaseLoading(this.#progress);
  }

  #onWorkerEnd(): void {
    const hadTask = this.#isReady;
    this.#isReady = false;
    this.#hasEnded = true;
    releaseLoading(this.#progress);
    // Piscina would keep the task of a worker that has ended before it was ready.
    if (this.#state === 'busy' && !hadTask) process.nextTick(() => this.#pool?.destroy());
  }

  /** A worker ended without a task, or before it was ready. */
  #onPoolError(error: unknown): void {
    this.#cause = error;
    if (this.#state !== 'idle') return;
    this.#owner.onCrash(error);
    this.#rest();
  }

  #onRejected(task: Task, reason: unknown): void {
    if (this.#ending !== null) {
      const error = crashed('it was terminated');
      void this.#ending.then(() => this.#end(task, { kind: 'terminated', error }));
    } else if (this.#hasEnded) {
      const error = crashed(this.#cause ?? reason);
      this.#cause = null;
      this.#owner.onCrash(null);
      this.#end(task, { kind: 'crash', error });
    } else {
      this.#end(task, { kind: 'failure', failure: reason });
    }
  }

  #end(task: Task, outcome: Outcome): void {
    if (this.#state === 'busy') {
      this.#state = 'idle';
      this.#ending = null;
      if (outcome.kind === 'crash') this.#rest();
      else this.#crashesInARow = 0;
    }
    this.#owner.onTaskEnd(task, outcome);
  }

  #rest(): void {
    this.#crashesInARow += 1;
    if (this.#crashesInARow === 1) return;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (this.#crashesInARow - 2), LONGEST_PAUSE_MS);
    this.#state = 'resting';
    this.#pause = setTimeout(() => {
      this.#pause = null;
      this.#state = 'idle';
      this.#owner.onRested();
    }, pauseMs);
  }

  async #destroy(): Promise<void> {
    await untilLoaded(this.#progress, LOADING_MS);
    await this.#pool?.destroy();
  }
}
