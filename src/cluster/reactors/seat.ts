/**
 * A place in a pool, for one reactor after another: the one that runs, the one that will replace it, and
 * the pauses after those that crashed.
 */
import { RestartPauses, type RestartPolicy } from '../restart-pauses';
import type { ReactorWorker, WorkerEnd } from './reactor-worker';
import type { ReactorStats } from './stats';
import { type StopResult, summedStops } from './stop-result';

/** Calls that a seat makes to its pool. */
export interface SeatOwner {
  /** A new thread for this seat, not started yet. */
  newWorker(seat: number): ReactorWorker;
  /** A reactor runs, the first one or a replacement. */
  onOnline(seat: number): void;
  /** A reactor of the seat has ended, in whatever way, also one that never started; `isVacant`: none runs now. */
  onEnd(seat: number, isVacant: boolean): void;
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
  /** Settles when that has started, or has not. */
  #starting: Promise<void> | null = null;
  /** Those that were replaced, and still have connections. */
  readonly #formers = new Set<ReactorWorker>();
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
    // One that starts already, after a crash, is new.
    await (this.#starting ?? this.#startOrRetry());
    if (former !== this.#worker) await former?.stop({ deadlineMs, isLast: false });
  }

  /** Stop for good, and those that were replaced with it: by now they may have had more time than there is left. */
  async close({ deadlineMs }: { deadlineMs: number }): Promise<StopResult> {
    this.#state = 'closed';
    this.#endPause();
    const workers = [this.#worker, this.#next, ...this.#formers].filter(
      (worker) => worker !== null,
    );
    const results = await Promise.all(
      workers.map((worker) => worker.stop({ deadlineMs, isLast: true })),
    );
    this.#worker = null;
    return summedStops(results);
  }

  /** See {@link ReactorWorker.stats}. */
  stats(id: number, timeoutMs: number): Promise<ReactorStats | null> {
    return this.#worker?.stats(id, timeoutMs) ?? Promise.resolve(null);
  }

  #start(): Promise<void> {
    this.#endPause();
    const starting = this.#startNext().finally(() => {
      this.#starting = null;
    });
    this.#starting = starting;
    return starting;
  }

  async #startNext(): Promise<void> {
    const worker = this.#owner.newWorker(this.#index);
    this.#state = 'filled';
    this.#next = worker;
    void this.#watchEnd(worker);
    try {
      await worker.started;
    } catch (error) {
      this.#next = null;
      throw error;
    }
    this.#next = null;
    if (this.#worker !== null) this.#formers.add(this.#worker);
    this.#worker = worker;
    if (this.#isOpen) this.#owner.onOnline(this.#index);
  }

  /** Its start comes before its end, also where this thread learns of both at once. */
  async #watchEnd(worker: ReactorWorker): Promise<void> {
    await worker.started.catch(() => {});
    this.#onEnd(worker, await worker.ended);
  }

  get #isOpen(): boolean {
    return this.#state !== 'closed';
  }

  #onEnd(worker: ReactorWorker, { error, livedMs }: WorkerEnd): void {
    const wasCurrent = this.#worker === worker;
    if (wasCurrent) this.#worker = null;
    this.#formers.delete(worker);
    this.#owner.onEnd(this.#index, this.#worker === null);
    if (!wasCurrent || !this.#isOpen || error === null) return;
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
    // One starts already, because of a restart.
    if (this.#next !== null) return;
    this.#state = 'resting';
    this.#pause = setTimeout(() => this.#retry(), pauseMs);
  }

  #endPause(): void {
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#pause = null;
  }

  #retry(): void {
    this.#startOrRetry().catch(() => {});
  }

  /** Rejects, too; if no reactor runs then, another one is tried later. */
  async #startOrRetry(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      if (this.#isOpen && this.#worker === null) this.#onCrash(error as Error, 0);
      throw error;
    }
  }
}
