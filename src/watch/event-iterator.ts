/**
 * The async iterator of a watcher: one mask a step, never a queue.
 *
 * Each `next` arms the fd, and the kernel reports it once. Several `next` calls at once are answered
 * in order.
 */

interface Waiting {
  resolve(result: IteratorResult<number, void>): void;
  reject(reason: unknown): void;
}

/** What the iterator needs of its watcher. */
export interface EventSource {
  /** Ask the kernel for one report. */
  arm(): void;
  close(): void;
}

/** Yields event masks. */
export class EventIterator implements AsyncIterator<number, void> {
  readonly #source: EventSource;
  readonly #waiting: Waiting[] = [];
  #state: 'open' | 'failed' | 'ended' = 'open';
  #reason: unknown;

  constructor(source: EventSource) {
    this.#source = source;
  }

  next(): Promise<IteratorResult<number, void>> {
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

  return(): Promise<IteratorResult<number, void>> {
    this.#source.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The kernel reported `events`. */
  push(events: number): void {
    this.#waiting.shift()?.resolve({ done: false, value: events });
    if (this.#waiting.length > 0 && this.#state === 'open') this.#source.arm();
  }

  /** The watcher closed: in order (`undefined`), or for a reason that the consumer must hear. */
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
