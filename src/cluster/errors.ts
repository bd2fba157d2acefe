/**
 * The errors of threads and processes that are neither a wrong argument nor a failed system call; see
 * base/errors.ts, whose continuation this is, and ERRORS.md.
 */
import { type Coded, coded } from '../base/errors';

// Reactors

/** The module cannot be loaded, has no `start`, or that has thrown. */
export function reactorModule(path: string, reason: string, cause: unknown): Coded {
  return coded(`the module of the reactors, ${path}, ${reason}`, 'ERR_REACTOR_MODULE', cause);
}

/** `start` of the module has not returned in time. */
export function reactorStartTimeout(path: string, timeoutMs: number): Coded {
  const text = `a reactor did not start within ${timeoutMs} ms: ${path}`;
  return coded(text, 'ERR_REACTOR_START_TIMEOUT');
}

/** The thread has ended, and no exception says why. */
export function reactorExit(code: number): Coded {
  return coded(`a reactor ended by itself, with exit code ${code}`, 'ERR_REACTOR_EXIT');
}

/** The thread has ended by something that was thrown, and is no Error. */
export function reactorThrew(thrown: unknown): Coded {
  return coded(`a reactor threw ${String(thrown)}`, 'ERR_REACTOR_EXIT', thrown);
}

/** No more reactors are started. */
export function reactorCrashes(seat: number, crashes: number, last: Error): Coded {
  const text = `reactor ${seat} crashed ${crashes} times in a row, the last time: ${last.message}`;
  return coded(text, 'ERR_REACTOR_CRASHES', last);
}

/** A call that the pool does not take in this state. */
export function poolState(call: string, state: string): Coded {
  return coded(`${call}() of a ReactorPool that is ${state}`, 'ERR_POOL_STATE');
}

/** A reactor that does not keep up with the fds that are sent to it. */
export function inboxFull(reactor: number): Coded {
  return coded(`the inbox of reactor ${reactor} is full`, 'ERR_INBOX_FULL');
}

// Tasks

/** No more tasks may wait. */
export function queueFull(maxQueued: number): Coded {
  return coded(`the queue is full: ${maxQueued} tasks wait (maxQueued)`, 'ERR_TASK_QUEUE_FULL');
}

/** The task has not ended in time. */
export function deadlinePassed(deadlineMs: number, isRunning: boolean): Coded {
  const where = isRunning ? 'runs still' : 'has not begun';
  return coded(`the task ${where} after its deadline of ${deadlineMs} ms`, 'ERR_TASK_DEADLINE');
}

/** The connection, or what else the key is, has closed; or `cancel` was called. */
export function canceled(reason: string): Coded {
  return coded(`the task was canceled: ${reason}`, 'ERR_TASK_CANCELED');
}

/** The thread has ended with the task, or before it could begin. */
export function crashed(cause: unknown): Coded {
  const text = `the thread of the task has ended: ${messageOf(cause)}`;
  return coded(text, 'ERR_TASK_CRASHED', cause);
}

/** The module cannot be loaded, or has no such function. */
export function taskModule(path: string, reason: string, cause?: unknown): Coded {
  return coded(`the task module ${path} ${reason}`, 'ERR_TASK_MODULE', cause);
}

/** The scheduler takes no more tasks, or did not wait for this one. */
export function schedulerClosed(detail = 'it takes no more tasks'): Coded {
  return coded(`the scheduler is closed: ${detail}`, 'ERR_TASK_SCHEDULER_CLOSED');
}

/** A thread that had no task has ended, and will be replaced. */
export function warnOfTaskThread(error: unknown): void {
  const text = `a task thread has ended while it had no task: ${messageOf(error)}`;
  process.emitWarning(text, { code: 'EPOLL_FFI_TASKS' });
}

/** The message of an error, or of anything else that was thrown. */
export function messageOf(thrown: unknown): string {
  const message = (thrown as { message?: unknown } | null | undefined)?.message;
  return typeof message === 'string' ? message : String(thrown);
}

/** `thrown`, if it can be posted; an error that cannot is known by its message and stack. */
export function portable(thrown: unknown): unknown {
  try {
    // Node makes an empty object of a DOMException, which a DataCloneError is.
    if (!(thrown instanceof DOMException)) return structuredClone(thrown);
  } catch {
    // See below.
  }
  const { name = 'Error', stack } = thrown as Partial<Error>;
  const copy = new Error(messageOf(thrown));
  return Object.assign(copy, { name, stack: typeof stack === 'string' ? stack : copy.stack });
}

// Processes

/** The module cannot be loaded, has no `start`, or that has thrown. */
export function processModule(path: string, reason: string, cause?: unknown): Coded {
  return coded(`the module ${path} ${reason}`, 'ERR_PREFORK_MODULE', cause);
}

/** A process has ended, or was killed, before `start` was done. */
export function notStarted(path: string, how: string): Coded {
  return coded(`a process with the module ${path} has not started: ${how}`, 'ERR_PREFORK_START');
}

/** No more processes are started. */
export function tooManyCrashes(path: string, count: number, cause: unknown): Coded {
  const text = `${count} crashes in a row of a process with the module ${path}: none is started any more`;
  return coded(text, 'ERR_PREFORK_CRASHES', cause);
}

/** The pool does not run: not yet, or not any more. */
export function notRunning(what: string): Coded {
  return coded(`${what} of a pool of processes that does not run`, 'ERR_PREFORK_NOT_RUNNING');
}

// Shared memory

/** `what` was closed, and is used. */
export function sharedClosed(what: string): Coded {
  return coded(`the ${what} is closed`, 'ERR_SHARED_CLOSED');
}

/** As many threads as there are seats. */
export function tooManyThreads(limit: number): Coded {
  return coded(`no more than ${limit} threads can share this`, 'ERR_TOO_MANY_THREADS');
}

/** A call that would block the main thread, and with it all of Node's timers, signals and messages. */
export function wouldBlockMainThread(call: string): Coded {
  const text = `${call} would block the main thread: call it in a worker, or with timeoutMs 0`;
  return coded(text, 'ERR_MAIN_THREAD');
}

/** All slots of a set are taken. */
export function setFull(slots: number): Coded {
  return coded(`all ${slots} slots of the set are taken`, 'ERR_SET_FULL');
}

/** A set that is not oneshot has nothing to arm again. */
export function notOneshot(slot: number): Coded {
  return coded(`slot ${slot} is always armed: the set is not oneshot`, 'ERR_NOT_ONESHOT');
}

/** A thread gives up the lead that it does not have. */
export function notLeader(): Coded {
  return coded('this thread does not lead', 'ERR_NOT_LEADER');
}

/** A number that the set has no slot for. */
export function noSlot(slot: number): Coded {
  return coded(`slot ${slot} is none of this set`, 'ERR_SLOT_GONE');
}

/** The state of the slot that a number refers to now, for the thread that asks. */
export type SlotState = 'gone' | 'armed' | 'mine' | 'others' | 'down';

const WHERE = {
  armed: 'it is armed',
  mine: 'this thread has it',
  others: 'another thread has it',
  down: 'it is put down',
};

/** A slot is not in the hands in which a call needs it. */
export function slotNotHeld(slot: number, state: SlotState): Coded {
  if (state === 'gone') return coded(`slot ${slot} is gone: it was removed`, 'ERR_SLOT_GONE');
  return coded(`slot ${slot} is in other hands: ${WHERE[state]}`, 'ERR_SLOT_NOT_HELD');
}
