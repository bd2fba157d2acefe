/** The methods that identify an AbortSignal. */

const METHODS = ['addEventListener', 'removeEventListener', 'throwIfAborted'] as const;

/** Whether `value` is an AbortSignal of any realm or library: it has the methods of one. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  const signal = value as Record<string, unknown>;
  const hasMethods = METHODS.every((name) => typeof signal[name] === 'function');
  return hasMethods && typeof signal['aborted'] === 'boolean';
}

/** The complaint about a value that is not an AbortSignal. */
export const NO_SIGNAL = 'expected an AbortSignal';
