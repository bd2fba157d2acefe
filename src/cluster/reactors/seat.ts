/**
 * A place in a pool, for one reactor after another: the one that runs, the one that will replace it, and
 * the pauses after those that crashed.
 */
import { RestartPauses, type RestartPolicy } from '../restart-pauses';
import type { ReactorWorker, StopResult, WorkerEnd } from './reactor-worker';
import type { ReactorStats } from './stats';

/** Calls that a seat makes to its pool. */
export interface SeatOwner {
  /** A new thread for this seat, not started yet. */
  newWorker(seat: number): ReactorWorker;
  /** A reactor runs, the first one or a replacement. */
  onOnline(seat: number): void;
  /** The seat has no reactor now: it ended. */
  onVacant(seat: number): void;
  /** A reactor ended without being asked to. */
  onCrash(seat: number, error: Error): void;
  /** It has crashed too often in a row; `error` is the last crash. */
  onGiveUp(seat: number, crashes: number, error: Error): void;
}

/** `filled`: a reactor runs or starts. `resting`: after a crash. `closed`: for good. */
type SeatState = 'empty' | 'filled' | 'resting' | 'closed';

/** See the head of this file. */
export class Seat {
  readonly #index: number;
  readonly #owner: SeatOwner;
  readonly #pauses: RestartPauses;
  #state: SeatState = 'empty';
  #worker: ReactorWorker | null = null;
  /** Starts, and is to replace the one that runs. */
  #next: ReactorWorker | null = null;
  #pause: NodeJS.Timeout | null = null;

  constructor(index: number, owner: SeatOwner, policy: RestartPolicy) {
    this.#index = index;
    this.#owner = owner;
    this.#pauses = new RestartPauses(policy);
  }

  /** The reactor that runs; null before it has started, and in a pause. */
  get worker(): ReactorWorker | null {
    return this.#worker;
  }

  /** Start the first reactor. Rejects if it does not start; then there is none. */
  async fill(): Promise<void> {
    await this.#start();
  }

  /** Start another reactor, and stop the one that runs when that is up. Rejects if it does not start. */
  async replace(deadlineMs: number): Promise<void> {
    const former = this.#worker;
    await this.#start();
    await former?.stop({ deadlineMs, isLast: false });
  }

  /** Stop for good. */
  async close({ deadlineMs }: { deadlineMs: number }): Promise<StopResult> {
    this.#state = 'closed';
    if (this.#pause !== null) clearTimeout(this.#pause);
    const next = this.#next?.stop({ deadlineMs, isLast: true });
    const result = await this.#worker?.stop({ deadlineMs, isLast: true });
    await next;
    this.#worker = null;
    return result ?? { ended: 0, cut: 0 };
  }

  /** See {@link ReactorWorker.stats}. */
  stats(id: number, timeoutMs: number): Promise<ReactorStats | null> {
    return this.#worker?.stats(id, timeoutMs) ?? Promise.resolve(null);
  }

  async #start(): Promise<void> {
    const worker = this.#owner.newWorker(this.#index);
    this.#state = 'filled';
    this.#next = worker;
    void worker.ended.then((end) => this.#onEnd(worker, end));
    try {
      await worker.started;
    } finally {
      this.#next = null;
    }
    this.#worker = worker;
    if (this.#isOpen) this.#owner.onOnline(this.#index);
  }

  get #isOpen(): boolean {
    return this.#state !== 'closed';
  }

  /** A former worker, or one that never started, was not the seat's. */
  #onEnd(worker: ReactorWorker, { error, livedMs }: WorkerEnd): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#owner.onVacant(this.#index);
    if (!this.#isOpen || error === null) return;
    this.#onCrash(error, livedMs);
  }

  #onCrash(error: Error, livedMs: number): void {
    this.#owner.onCrash(this.#index, error);
    if (!this.#isOpen) return;
    const pauseMs = this.#pauses.next(livedMs);
    if (pauseMs === null) {
      this.#owner.onGiveUp(this.#index, this.#pauses.crashes, error);
      return;
    }
    this.#state = 'resting';
    this.#pause = setTimeout(() => this.#retry(), pauseMs);
  }

  #retry(): void {
    this.#pause = null;
    this.#start().catch((error: Error) => {
      if (this.#isOpen) this.#onCrash(error, 0);
    });
  }
}
