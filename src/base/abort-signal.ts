/** What an AbortSignal is known by. */

const METHODS = ['addEventListener', 'removeEventListener', 'throwIfAborted'] as const;

/** An AbortSignal of any realm or library, known by what it can do. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  const signal = value as Record<string, unknown>;
  const hasMethods = METHODS.every((name) => typeof signal[name] === 'function');
  return hasMethods && typeof signal['aborted'] === 'boolean';
}

/** What is said of a value that is none. */
export const NO_SIGNAL = 'expected an AbortSignal';
