/**
 * Waits in shared memory are bounded as those in C are: a thread that sleeps sees no message, so it
 * comes back to its caller, which goes back to Node's loop. The main thread never sleeps here.
 */
import { isMainThread } from 'node:worker_threads';
import { checkInteger, checkOptions } from '../../base/check';
import { wouldBlockMainThread } from '../errors';

/** The longest wait of one call, and the default. */
const MAX_WAIT_MS = 500;

const OPTIONS: readonly string[] = ['timeoutMs'];

/** Options of calls that wait. */
export interface BoundedWaitOptions {
  /** Milliseconds, 0 to 500; 500 if not given. 0 does not wait. */
  timeoutMs?: number;
}

/** The timeout of `options`, checked. */
export function timeoutOf(call: string, options: BoundedWaitOptions): number {
  checkOptions(call, options, OPTIONS);
  const { timeoutMs = MAX_WAIT_MS } = options;
  checkInteger('timeoutMs', timeoutMs, 0, MAX_WAIT_MS);
  return timeoutMs;
}

/** Throws ERR_MAIN_THREAD in the main thread. */
export function expectMayWait(call: string): void {
  if (isMainThread) throw wouldBlockMainThread(call);
}
