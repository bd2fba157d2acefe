/** What can be set for a loop, and what can be read of it. */

import { LazyOptions } from '../base/lazy-options';
import { MAX_EVENTS } from '../sys/abi';

/** Options of {@link EventLoop}. */
export interface EventLoopOptions {
  /**
   * Who blocks in epoll_wait(2) while there is nothing to do. `'thread'`, the default: a waiter
   * thread, and Node's loop stays free; it starts when the loop has slept for a while, and until then
   * Node's own loop waits. `'libuv'`: always Node's own loop, which has our epoll fd in its set; wakes
   * faster than a thread and needs none. In a worker, which may be terminated at any time, `'thread'`
   * is the same as this. `'inline'`: this thread, for scripts and workers that do nothing
   * else; Node's own timers and I/O then wait for up to `maxInlineWaitMs`.
   */
  waiter?: 'thread' | 'libuv' | 'inline';
  /** The most events taken by one epoll_wait(2); 256 if not given. */
  maxEvents?: number;
  /** Batches of events before Node's loop gets its turn; 8 if not given. */
  batchesPerTurn?: number;
  /** Milliseconds after which a turn takes no further batch; 10 if not given. */
  turnBudgetMs?: number;
  /**
   * Microseconds to go on looking for events, turn by turn of Node's loop, before the waiting is
   * handed over; 100 if not given, 0 for never. It saves the hand-over when the next event is near,
   * for CPU time when it is not; the loop spins less when spinning does not pay.
   */
  spinUs?: number;
  /** The longest wait of an inline loop; 500 if not given. */
  maxInlineWaitMs?: number;
  /** Keep a histogram of how long turns take, see {@link EventLoop.turnTimes}. */
  measureTurns?: boolean;
}

/** {@link EventLoopOptions}, checked and with their defaults. */
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

/** How {@link EventLoopOptions} are checked. */
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

/** What a loop has done so far; see {@link EventLoop.stats}. */
export interface EventLoopStats {
  /** Times the loop led: once per entry from Node. */
  turns: number;
  /** Calls of epoll_wait(2) that brought events. */
  batches: number;
  /** Events brought. */
  events: number;
  /** Calls of epoll_ctl(2) for what is watched. */
  controls: number;
  /** Times the waiter woke the loop. */
  wakeUps: number;
  /** Times the waiting was handed to the waiter. */
  handovers: number;
  /** Turns that only looked for events and found none. */
  spins: number;
  /** Events dropped because their registration was gone. */
  staleEvents: number;
  /** Times the epoll set was made anew, because a fd outlived its registration. */
  rebuilds: number;
  /** Fds registered now. */
  watched: number;
  /** Deadlines scheduled now. */
  timers: number;
}
