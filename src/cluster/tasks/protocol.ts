/** The messages between a scheduler and its threads. */

/** The data that a thread is started with. */
export interface ThreadData {
  /** The path of the user's module. */
  module: string;
  /** See base/loading-threads.ts: marked when the user's module is loaded. */
  progress: Int32Array;
  /** See the option of the same name. */
  nice: number;
  /** An eventfd that is written after each answer, or -1. */
  bellFd: number;
}

/** One task, as a thread gets it. */
export interface Call {
  /** The function of the module. */
  name: string;
  payload: unknown;
}

/**
 * The value that a thread throws for a task that failed: a plain object, so that it is none of the Errors by
 * which a thread that has ended is known.
 */
export interface Failure {
  failure: 'thrown' | 'module';
  /** For `module`: the reason why it cannot be used. */
  reason: string;
  /** The value that the user's function or module has thrown. */
  thrown: unknown;
  /** Fields of an Error that its copy in another thread loses: `code` and the like. */
  fields: Record<string, unknown>;
}

/** Whether this came from a thread; else it is why a task could not be posted. */
export function isFailure(value: unknown): value is Failure {
  return typeof value === 'object' && value !== null && 'failure' in value;
}
