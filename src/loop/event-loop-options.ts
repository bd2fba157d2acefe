/** Options of a loop, and the counters that it returns. */

import { LazyOptions } from '../base/lazy-options';
import { MAX_EVENTS } from '../sys/abi';

/** Options of {@link EventLoop}. */
export interface EventLoopOptions {
  /**
   * Chooses the thread that blocks in epoll_wait(2) while there is nothing to do.
   *
   * - `'thread'`, the default: a waiter thread, so Node's loop stays free. It starts when the loop
   *   has slept for 200 ms; until then Node's own loop waits.
   * - `'libuv'`: always Node's own loop, which has our epoll fd in its set. It wakes faster than a
   *   thread and needs none. In a worker, which may be terminated at any time, `'thread'` means
   *   this.
   * - `'inline'`: this thread, for scripts and workers that do nothing else. Node's own timers and
   *   I/O then wait for up to `maxInlineWaitMs`.
   *
   * A hop through the waiter thread costs some 40 to 100 µs, and two to three times the CPU time of a
   * wake-up by Node's own loop; `npm run bench -- watch` measures both.
   */
  waiter?: 'thread' | 'libuv' | 'inline';
  /** The most events taken by one epoll_wait(2); 256 if not given. */
  maxEvents?: number;
  /** Batches of events before Node's loop gets its turn; 8 if not given. */
  batchesPerTurn?: number;
  /** Milliseconds after which a turn takes no further batch; 10 if not given. */
  turnBudgetMs?: number;
  /**
   * Microseconds for which the loop looks for further events, once per turn of Node's loop, before
   * it hands the waiting over; 100 if not given, 0 for never. A spin saves the hand-over when the
   * next event is near, and costs CPU time when it is not; the loop spins less when spinning does
   * not pay.
   */
  spinUs?: number;
  /** The longest wait of an inline loop; 500 if not given. */
  maxInlineWaitMs?: number;
  /** Keep a histogram of turn durations, see {@link EventLoop.turnTimes}. */
  measureTurns?: boolean;
}

/** {@link EventLoopOptions}, checked, with the defaults. */
export interface EventLoopSettings extends Required<EventLoopOptions> {}

const DEFAULTS: EventLoopSettings = Object.freeze({
  waiter: 'thread',
  maxEvents: 256,
  batchesPerTurn: 8,
  turnBudgetMs: 10,
  spinUs: 100,
  maxInlineWaitMs: 500,
  measureTurns: false,
});

/** The check of {@link EventLoopOptions}. */
export const eventLoopOptions = new LazyOptions('EventLoop', DEFAULTS, (z) =>
  z.strictObject({
    waiter: z.enum(['thread', 'libuv', 'inline']).default(DEFAULTS.waiter),
    maxEvents: z.int().min(1).max(MAX_EVENTS).default(DEFAULTS.maxEvents),
    batchesPerTurn: z.int().min(1).max(1_000).default(DEFAULTS.batchesPerTurn),
    turnBudgetMs: z.number().min(0).max(1_000).default(DEFAULTS.turnBudgetMs),
    spinUs: z.number().min(0).max(1_000_000).default(DEFAULTS.spinUs),
    maxInlineWaitMs: z.int().min(0).max(60_000).default(DEFAULTS.maxInlineWaitMs),
    measureTurns: z.boolean().default(DEFAULTS.measureTurns),
  }),
);

/** Counters of a loop; see {@link EventLoop.stats}. */
export interface EventLoopStats {
  /** Times the loop led: once per entry from Node. */
  turns: number;
  /** Calls of epoll_wait(2) that returned events. */
  batches: number;
  /** Events returned. */
  events: number;
  /** Calls of epoll_ctl(2) for watched fds. */
  controls: number;
  /** Times the waiter woke the loop. */
  wakeUps: number;
  /** Times the waiting was handed to the waiter. */
  handovers: number;
  /** Turns that looked for events and found none. */
  spins: number;
  /** Events dropped because their registration was gone. */
  staleEvents: number;
  /** Times the epoll set was rebuilt because of an orphaned entry, see slot-table.ts. */
  rebuilds: number;
  /** Fds registered now. */
  watched: number;
  /** Deadlines scheduled now. */
  timers: number;
}
