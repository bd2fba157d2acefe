/** The options of a {@link TaskScheduler} and of a task, and the scheduler's figures. */
import { availableParallelism } from 'node:os';
import type { ResourceLimits, Transferable } from 'node:worker_threads';
import { z } from 'zod';
import { isAbortSignal } from '../../base/abort-signal';
import { checkInteger, checkOptions, invalidType } from '../../base/check';
import { EventLoop } from '../../loop/event-loop';
import { MAX_DELAY_MS } from '../../loop/timer-wheel';
import { moduleField } from '../module-option';
import { resourceLimitsField, timeoutField } from '../option-fields';

/** More threads than any machine has cores for. */
const MAX_THREADS = 256;
/** Priorities are from the negative of this to this. */
export const MAX_PRIORITY = 10;

/** Options of {@link TaskScheduler}. */
export interface TaskSchedulerOptions {
  /**
   * The module whose functions the threads call: an absolute path (`require.resolve('./tasks')`) or a
   * `file:` URL, of JavaScript or TypeScript, CommonJS or ESM. It is loaded once by each thread.
   */
  module: string | URL;
  /** Threads, at most; they start as tasks come. One fewer than the machine has cores if not given. */
  threads?: number;
  /** Tasks that wait, at most, those of all keys together; 1,024 if not given. */
  maxQueued?: number;
  /** The deadline of tasks that are given none; none if not given, or 0. */
  deadlineMs?: number;
  /** A thread that had nothing to do for so long ends; 30,000 if not given, 0 for never. */
  idleTimeoutMs?: number;
  /**
   * How far the threads stand back where there is more to do than there are cores, as of nice(2): from 0,
   * not at all, to 19; 5 if not given. Loops come first.
   */
  nice?: number;
  /** Limits for the memory of each thread, as of `node:worker_threads`. */
  resourceLimits?: ResourceLimits;
  /**
   * The loop that asks. Needed only if it is `waiter: 'inline'`, which a completion then wakes; in any
   * other loop completions arrive with Node's own events. Deadlines and crashes wait for its next turn,
   * so for up to `maxInlineWaitMs`.
   */
  loop?: EventLoop;
}

/** Options of {@link TaskScheduler.run}. */
export interface TaskOptions {
  /** The function of the module; `'run'` if not given. */
  name?: string;
  /**
   * A connection, or anything that a Map takes. Tasks of one key run one after the other, in the order
   * of the calls. If it emits `close`, what waits for it is canceled then.
   */
  key?: unknown;
  /** From -10 to 10; 0 if not given. Higher ones start first, unless their key has others before. */
  priority?: number;
  /** Milliseconds from the call to the end of the task, 0 for no limit. */
  deadlineMs?: number;
  /** Gives the task up, with its reason. */
  signal?: AbortSignal;
  /**
   * If the task is given up while it runs (by its deadline, its signal, its key's close), terminate its
   * thread, which is then replaced. False, the default: it runs to its end, and its result is dropped;
   * its thread and its key are taken until then.
   */
  terminate?: boolean;
  /** Parts of the payload that move to the thread and are not copied, as of `postMessage`. */
  transfer?: readonly Transferable[];
}

/** The figures of a scheduler so far; see {@link TaskScheduler.stats}. */
export interface TaskSchedulerStats {
  /** Threads that live now. */
  threads: number;
  /** Tasks that threads work at now, those that were given up included. */
  running: number;
  /** Tasks that wait now. */
  waiting: number;
  /** Keys that have tasks now. */
  keys: number;
  /** Tasks that gave a result. */
  completed: number;
  /** Tasks that threw, or whose module was wrong, or whose thread crashed. */
  failed: number;
  /** Tasks refused because the queue was full. */
  refused: number;
  /** Tasks given up by their deadline. */
  late: number;
  /** Tasks given up by a signal, a close or `cancel`. */
  canceled: number;
  /** Threads that ended by themselves: an uncaught exception, process.exit, a memory limit. */
  crashes: number;
}

/** {@link TaskSchedulerOptions}, checked and with their defaults. */
export const schedulerSchema = z.strictObject({
  module: moduleField,
  threads: z
    .int()
    .min(1)
    .max(MAX_THREADS)
    .default(() => Math.max(1, availableParallelism() - 1)),
  maxQueued: z.int().min(0).max(0xff_ffff).default(1_024),
  deadlineMs: timeoutField.default(0),
  idleTimeoutMs: timeoutField.default(30_000),
  nice: z.int().min(0).max(19).default(5),
  resourceLimits: resourceLimitsField,
  loop: z.instanceof(EventLoop).optional(),
});

/** The fields of what {@link TaskScheduler.close} takes. */
export const closeSchema = z.strictObject({
  deadlineMs: timeoutField.default(10_000),
});

const NAMES = ['name', 'key', 'priority', 'deadlineMs', 'signal', 'terminate', 'transfer'];

/** Without zod: once for each task. */
export function checkTaskOptions(options: TaskOptions): void {
  checkOptions('run', options, NAMES);
  const { name, priority, deadlineMs, signal, terminate, transfer } = options;
  if (name !== undefined && typeof name !== 'string') throw invalidType('name', 'a string', name);
  if (priority !== undefined) checkInteger('priority', priority, -MAX_PRIORITY, MAX_PRIORITY);
  if (deadlineMs !== undefined) checkInteger('deadlineMs', deadlineMs, 0, MAX_DELAY_MS);
  if (signal !== undefined && !isAbortSignal(signal)) {
    throw invalidType('signal', 'an AbortSignal', signal);
  }
  if (terminate !== undefined && typeof terminate !== 'boolean') {
    throw invalidType('terminate', 'a boolean', terminate);
  }
  if (transfer !== undefined && !Array.isArray(transfer)) {
    throw invalidType('transfer', 'an array', transfer);
  }
}
