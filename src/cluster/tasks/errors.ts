/** Errors of a {@link TaskScheduler}. Each has a `code`, and most a `cause`. */

/** An Error with a `code`. */
export type CodedError = Error & { code: string };

function coded(code: string, text: string, cause?: unknown): CodedError {
  const options = cause === undefined ? undefined : { cause };
  return Object.assign(new Error(text, options), { code });
}

/** No more tasks may wait. */
export function queueFull(maxQueued: number): CodedError {
  return coded('ERR_TASK_QUEUE_FULL', `the queue is full: ${maxQueued} tasks wait (maxQueued)`);
}

/** The task has not ended in time. */
export function deadlinePassed(deadlineMs: number, isRunning: boolean): CodedError {
  const where = isRunning ? 'runs still' : 'has not begun';
  return coded('ERR_TASK_DEADLINE', `the task ${where} after its deadline of ${deadlineMs} ms`);
}

/** The connection, or what else the key is, has closed; or `cancel` was called. */
export function canceled(reason: string): CodedError {
  return coded('ERR_TASK_CANCELED', `the task was canceled: ${reason}`);
}

/** The thread has ended with the task, or before it could begin. */
export function crashed(cause: unknown): CodedError {
  const text = `the thread of the task has ended: ${messageOf(cause)}`;
  return coded('ERR_TASK_CRASHED', text, cause);
}

/** The module cannot be loaded, or has no such function. */
export function badModule(path: string, reason: string, cause?: unknown): CodedError {
  return coded('ERR_TASK_MODULE', `the task module ${path} ${reason}`, cause);
}

/** The scheduler takes no more tasks, or did not wait for this one. */
export function schedulerClosed(detail = 'it takes no more tasks'): CodedError {
  return coded('ERR_TASK_SCHEDULER_CLOSED', `the scheduler is closed: ${detail}`);
}

/** What an error, or anything else that was thrown, says. */
export function messageOf(thrown: unknown): string {
  const message = (thrown as { message?: unknown } | null | undefined)?.message;
  return typeof message === 'string' ? message : String(thrown);
}
