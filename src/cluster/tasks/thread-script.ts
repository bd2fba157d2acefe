/**
 * The body of a task thread: loads the user's module, and calls its functions.
 *
 * It runs in a worker of piscina's, which counts the thread as ready once `run` has resolved; so no
 * task is in a thread that still loads, and no such thread is terminated. It throws nothing but
 * {@link Failure}: everything else that ends a task is the end of its thread.
 */
import { writeSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';
import { markLoaded } from '../../base/loading-threads';
import { messageOf, portable } from '../errors';
import { type Exports, functionOf, loadModule } from '../user-module';
import type { Call, Failure, ThreadData } from './protocol';

const { module: path, progress, nice, bellFd } = workerData as ThreadData;
/** The 1 that is added to an eventfd. */
const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

/** Answers a {@link Call}. */
export const run: Promise<(call: Call) => Promise<unknown>> = prepare();

async function prepare(): Promise<(call: Call) => Promise<unknown>> {
  standBack(nice);
  let exports: Exports | null = null;
  let thrown: unknown;
  try {
    exports = await loadModule(path);
  } catch (error) {
    thrown = error;
  }
  markLoaded(progress);
  // Piscina is about to post that the thread is ready.
  ringLater();
  if (exports === null) return () => answer(refuse(thrown));
  return (call) => answer(work(exports, call));
}

/** As nice(2). On Linux setpriority(2) of 0 is about this thread, not the process. */
function standBack(nice: number): void {
  try {
    if (nice > 0) setPriority(Math.min(getPriority() + nice, 19));
  } catch {
    // A sandbox forbids it: then the thread has the priority of the process.
  }
}

/** What `result` is; afterwards the scheduler's loop is woken. */
async function answer(result: Promise<unknown>): Promise<unknown> {
  try {
    return await result;
  } finally {
    ringLater();
  }
}

/** Wake the scheduler's loop, when what is posted in this turn is on its way. */
function ringLater(): void {
  if (bellFd >= 0) setImmediate(ring);
}

function ring(): void {
  try {
    writeSync(bellFd, ONE);
  } catch {
    // EAGAIN: it has been rung so often that it cannot be missed.
  }
}

async function refuse(thrown: unknown): Promise<never> {
  throw failure('module', `cannot be loaded: ${messageOf(thrown)}`, thrown);
}

async function work(exports: Exports, { name, payload }: Call): Promise<unknown> {
  const task = functionOf<(payload: unknown) => unknown>(exports, name);
  if (task === undefined) throw failure('module', `exports no function "${name}"`, undefined);
  try {
    return postable(await task(payload));
  } catch (thrown) {
    throw failure('thrown', '', thrown);
  }
}

function failure(kind: Failure['failure'], reason: string, thrown: unknown): Failure {
  const fields: Record<string, unknown> = {};
  if (thrown instanceof Error) {
    // A copy has the name only if it is one of the language's own.
    fields['name'] = thrown.name;
    for (const [name, value] of Object.entries(thrown)) {
      if (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol') {
        fields[name] = value;
      }
    }
  }
  return { failure: kind, reason, thrown: portable(thrown), fields };
}

/**
 * `result`, if it can be posted; else a DataCloneError now, because piscina's own attempt would end the
 * thread. It costs a second copy, in this thread, of what is not just bytes or a primitive.
 */
function postable(result: unknown): unknown {
  if (typeof result === 'object' && !ArrayBuffer.isView(result)) structuredClone(result);
  else if (typeof result === 'function' || typeof result === 'symbol') structuredClone(result);
  return result;
}
