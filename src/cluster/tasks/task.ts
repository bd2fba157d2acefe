/** One task: what it is asked, where it stands, and its promise, which is settled once. */
import { types } from 'node:util';
import type { Transferable } from 'node:worker_threads';
import type { TaskOptions } from './options';
import type { KeyLine, Queued, TaskList } from './queue';

/**
 * `waiting`: in the queue. `running`: a thread works at it. `abandoned`: likewise, but its promise is
 * settled and its result will be dropped. `settled`: no thread works at it any more.
 */
export type TaskState = 'waiting' | 'running' | 'abandoned' | 'settled';

/** See the head of this file. */
export class Task implements Queued<Task> {
  state: TaskState = 'waiting';
  readonly name: string;
  readonly priority: number;
  readonly deadlineMs: number;
  readonly terminate: boolean;
  payload: unknown;
  transfer: readonly Transferable[];
  /** For the queue, which maintains these four. */
  line: KeyLine<Task> | null = null;
  list: TaskList<Task> | null = null;
  before: Task | null = null;
  after: Task | null = null;
  readonly #signal: AbortSignal | undefined;
  #onAbort: (() => void) | null = null;
  #timer: NodeJS.Timeout | null = null;
  readonly #resolve: (result: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    payload: unknown,
    options: TaskOptions & { deadlineMs: number },
    promise: { resolve: (result: unknown) => void; reject: (error: unknown) => void },
  ) {
    this.payload = payload;
    this.transfer = options.transfer ?? [];
    this.name = options.name ?? 'run';
    this.priority = options.priority ?? 0;
    this.deadlineMs = options.deadlineMs;
    this.terminate = options.terminate ?? false;
    this.#signal = options.signal;
    this.#resolve = promise.resolve;
    this.#reject = promise.reject;
  }

  /** Call `giveUp` when the deadline passes or the signal is aborted, whichever is first. */
  watch(giveUp: {
    onDeadline(task: Task): void;
    onAbort(task: Task, reason: unknown): void;
  }): void {
    const signal = this.#signal;
    if (signal !== undefined) {
      this.#onAbort = () => giveUp.onAbort(this, signal.reason);
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    if (this.deadlineMs > 0) {
      this.#timer = setTimeout(() => giveUp.onDeadline(this), this.deadlineMs).unref();
    }
  }

  /**
   * Make the payload ours until it is posted: the caller may change it meanwhile, and a view of a
   * connection's bytes is overwritten by the next ones. Throws a DataCloneError.
   */
  keep(): void {
    this.trim();
    const { payload, transfer } = this;
    const kept = structuredClone({ payload, transfer }, { transfer: [...transfer] as never[] });
    this.payload = kept.payload;
    this.transfer = kept.transfer;
  }

  /** For bytes: without the rest of the memory they stand in, all of which a clone would copy. */
  trim(): void {
    const { payload } = this;
    if (!types.isUint8Array(payload) || this.transfer.length > 0) return;
    const { buffer, byteLength } = payload;
    if (byteLength === buffer.byteLength || types.isSharedArrayBuffer(buffer)) return;
    this.payload = new Uint8Array(payload);
  }

  resolve(result: unknown): void {
    this.#settle();
    this.#resolve(result);
  }

  reject(error: unknown): void {
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#onAbort !== null) this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#timer = null;
    this.#onAbort = null;
    this.payload = undefined;
    this.transfer = [];
  }
}
