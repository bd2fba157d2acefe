/**
 * The async iterator of a watcher or a source: it asks for one report per step.
 *
 * Each `next` arms the source. Several `next` calls at once are answered in order. If one report
 * brings more than was asked for, the rest is kept, and returned before the source is armed again.
 */

interface Waiting<T> {
  resolve(result: IteratorResult<T, void>): void;
  reject(reason: unknown): void;
}

/** The part of a source that the iterator calls. */
export interface Armable {
  /** Ask the kernel for one report. */
  arm(): void;
  close(): void;
}

/** Yields the pushed values. */
export class EventIterator<T> implements AsyncIterator<T, void> {
  readonly #source: Armable;
  readonly #waiting: Waiting<T>[] = [];
  readonly #kept: T[] = [];
  #state: 'open' | 'failed' | 'ended' = 'open';
  #reason: unknown;

  constructor(source: Armable) {
    this.#source = source;
  }

  /** Whether a `next` waits for an answer. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  next(): Promise<IteratorResult<T, void>> {
    if (this.#kept.length > 0) {
      return Promise.resolve({ done: false, value: this.#kept.shift() as T });
    }
    if (this.#state === 'failed') {
      this.#state = 'ended';
      return Promise.reject(this.#reason);
    }
    if (this.#state === 'ended') return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#source.arm();
    });
  }

  return(): Promise<IteratorResult<T, void>> {
    this.#source.close();
    this.#state = 'ended';
    this.#kept.length = 0;
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Answer the next `next`. */
  push(value: T): void {
    const first = this.#waiting.shift();
    if (first === undefined) this.#kept.push(value);
    else first.resolve({ done: false, value });
    if (this.isWaiting && this.#state === 'open') this.#source.arm();
  }

  /** The source closed: in order (`undefined`), or for a reason that the consumer must get. */
  end(reason: unknown): void {
    if (this.#state !== 'open') return;
    this.#reason = reason;
    this.#state = reason === undefined || this.#waiting.length > 0 ? 'ended' : 'failed';
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (reason === undefined) resolve({ done: true, value: undefined });
      else reject(reason);
    }
  }
}
