/** The loop's counters since the last call, as rates and ratios. */
import type { EventLoop, EventLoopStats } from '../../src';

/** One point of every curve. */
export interface Point {
  connections: number;
  messagesPerSecond: number;
  eventsPerWait: number;
  wakeUpsPerSecond: number;
  turnP99Us: number;
}

export class Figures {
  readonly #loop: EventLoop;
  #before: EventLoopStats;
  #at = performance.now();

  constructor(loop: EventLoop) {
    this.#loop = loop;
    this.#before = loop.stats();
  }

  /** The figures since the last call. */
  take(connections: number, messages: number): Point {
    const now = performance.now();
    const after = this.#loop.stats();
    const seconds = (now - this.#at) / 1000;
    const since = (name: 'events' | 'batches' | 'wakeUps'): number =>
      after[name] - this.#before[name];
    const point = {
      connections,
      messagesPerSecond: messages / seconds,
      eventsPerWait: since('events') / Math.max(since('batches'), 1),
      wakeUpsPerSecond: since('wakeUps') / seconds,
      turnP99Us: this.#turnP99Us(),
    };
    this.#before = after;
    this.#at = now;
    return point;
  }

  #turnP99Us(): number {
    const { turnTimes } = this.#loop;
    if (turnTimes === null || turnTimes.count === 0) return 0;
    const p99 = turnTimes.percentile(99);
    turnTimes.reset();
    return p99;
  }
}
