/**
 * One thread of a reactor, from the pool's side: from its start to its end, which comes once.
 *
 * A thread that is to end is asked first, and terminated when it does not: it may be in an endless loop.
 */

import { extname, join } from 'node:path';
import { type ResourceLimits, Worker } from 'node:worker_threads';
import { outsideCallers } from '../../base/context';
import {
  guardLoading,
  newLoadingWord,
  releaseLoading,
  untilLoaded,
} from '../../base/loading-threads';
import { runtimeFor } from '../../base/script-thread';
import { Waker } from '../../epoll/waker';
import { MAX_DELAY_MS } from '../../loop/timer-wheel';
import { reactorExit, reactorModule, reactorStartTimeout, reactorThrew } from '../errors';
import type { FromReactor, ReactorThreadData, ToReactor } from './protocol';
import type { ReactorStats } from './stats';
import type { StopResult } from './stop-result';

/** After the deadline of its connections, a thread has so long to end. */
const GRACE_MS = 1_000;

/** How a thread ended. */
export interface WorkerEnd {
  /** Null if it was asked to end, and did. */
  error: Error | null;
  /** How long it ran after it had started; 0 if it never did. */
  livedMs: number;
}

/** Calls that a thread makes to its pool. */
interface WorkerOwner {
  onMessage(value: unknown): void;
  onError(error: Error): void;
}

/** The setup of a {@link ReactorWorker}. */
export interface WorkerSetup {
  data: Omit<ReactorThreadData, 'progress'>;
  resourceLimits: ResourceLimits | undefined;
  startTimeoutMs: number;
  owner: WorkerOwner;
}

/** `starting`: the module's `start` has not returned. `running`. `stopping`: asked to end. `ended`. */
type WorkerState = 'starting' | 'running' | 'stopping' | 'ended';

/** See the head of this file. */
export class ReactorWorker {
  /** Resolves when the thread runs; rejects when it ended before. */
  readonly started: Promise<void>;
  /** Resolves when the thread has ended, in whatever way. */
  readonly ended: Promise<WorkerEnd>;
  readonly #setup: WorkerSetup;
  readonly #progress = newLoadingWord();
  readonly #worker: Worker;
  readonly #stats = new Map<number, (stats: ReactorStats | null) => void>();
  readonly #timer: NodeJS.Timeout;
  #state: WorkerState = 'starting';
  #startedAt = 0;
  #failure: Error | null = null;
  #stopResult: StopResult = { ended: 0, cut: 0 };
  #onStarted: () => void = () => {};

  constructor(setup: WorkerSetup) {
    this.#setup = setup;
    const { data, resourceLimits, startTimeoutMs } = setup;
    guardLoading(this.#progress);
    this.#worker = outsideCallers(() =>
      startThread({ ...data, progress: this.#progress }, resourceLimits),
    );
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', (code) => resolve(this.#onExit(code)));
    });
    const running = new Promise<void>((resolve) => {
      this.#onStarted = resolve;
    });
    this.started = Promise.race([running, this.ended.then(({ error }) => this.#refuse(error))]);
    // Handled by those who ask.
    this.started.catch(() => {});
    this.#worker.on('message', (message: FromReactor) => this.#onMessage(message));
    this.#worker.on('error', (error: unknown) => {
      this.#failure ??= asError(error);
    });
    this.#timer = setTimeout(() => this.#onStartTimeout(), startTimeoutMs);
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** Ignored by a thread that is not running. */
  post(message: ToReactor): void {
    if (this.#state === 'ended') return;
    const { data } = this.#setup;
    this.#worker.postMessage(message);
    // An inline loop sleeps over messages.
    if (data.waiter === 'inline') Waker.fromFd(data.bells[data.seat] as number).wake();
  }

  /** Its counters; null if it ends, or does not answer within `timeoutMs`. */
  stats(id: number, timeoutMs: number): Promise<ReactorStats | null> {
    if (this.#state !== 'running') return Promise.resolve(null);
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(null), timeoutMs);
      const settle = (stats: ReactorStats | null): void => {
        clearTimeout(timer);
        this.#stats.delete(id);
        resolve(stats);
      };
      this.#stats.set(id, settle);
      this.post({ type: 'stats', id });
    });
  }

  /**
   * Have it end: connections within `deadlineMs`. Resolves when it has, with how they ended. Called again, the
   * earlier deadline counts.
   */
  async stop({ deadlineMs, isLast }: { deadlineMs: number; isLast: boolean }): Promise<StopResult> {
    const hasStarted = this.#startedAt > 0;
    if (this.#state !== 'ended') this.#state = 'stopping';
    if (hasStarted) {
      this.post({ type: 'stop', deadlineMs, isLast });
      const limitMs = Math.min(deadlineMs + GRACE_MS, MAX_DELAY_MS);
      const timer = setTimeout(() => void this.terminate(), limitMs);
      await this.ended;
      clearTimeout(timer);
    } else {
      await this.terminate();
    }
    return this.#stopResult;
  }

  /** End the thread, whatever it does, as soon as that is safe. */
  async terminate(): Promise<void> {
    await untilLoaded(this.#progress);
    await this.#worker.terminate();
    await this.ended;
  }

  #onMessage(message: FromReactor): void {
    const { owner } = this.#setup;
    switch (message.type) {
      case 'started':
        this.#onStart();
        break;
      case 'failed':
        this.#failure = reactorModule(this.#setup.data.module, message.reason, message.thrown);
        break;
      case 'message':
        owner.onMessage(message.value);
        break;
      case 'stats':
        this.#stats.get(message.id)?.(message.stats);
        break;
      case 'error':
        owner.onError(message.error);
        break;
      case 'stopped':
        this.#stopResult = { ended: message.ended, cut: message.cut };
        break;
    }
  }

  #onStart(): void {
    clearTimeout(this.#timer);
    if (this.#state !== 'starting') return;
    this.#state = 'running';
    this.#startedAt = performance.now();
    this.#onStarted();
  }

  #onStartTimeout(): void {
    const { data, startTimeoutMs } = this.#setup;
    this.#failure = reactorStartTimeout(data.module, startTimeoutMs);
    void this.terminate();
  }

  #onExit(code: number): WorkerEnd {
    clearTimeout(this.#timer);
    releaseLoading(this.#progress);
    for (const settle of [...this.#stats.values()]) settle(null);
    const wasAsked = this.#state === 'stopping';
    const livedMs = this.#startedAt === 0 ? 0 : performance.now() - this.#startedAt;
    this.#state = 'ended';
    if (wasAsked && this.#failure === null) return { error: null, livedMs };
    return { error: this.#failure ?? reactorExit(code), livedMs };
  }

  #refuse(error: Error | null): never {
    throw error ?? reactorExit(0);
  }
}

/** Beside this file stands the thread's script, of the same kind: .js when built, .ts when not. */
function startThread(data: ReactorThreadData, resourceLimits: ResourceLimits | undefined): Worker {
  const script = join(__dirname, `reactor-thread${extname(__filename)}`);
  return new Worker(script, {
    name: `epoll-ffi reactor ${data.seat}`,
    workerData: data,
    ...runtimeFor(script, data.module),
    ...(resourceLimits === undefined ? {} : { resourceLimits }),
  });
}

function asError(thrown: unknown): Error {
  // Not `instanceof`: Node makes it anew, of its properties.
  const { message } = (thrown ?? {}) as { message?: unknown };
  return typeof message === 'string' ? (thrown as Error) : reactorThrew(thrown);
}
