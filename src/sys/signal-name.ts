/** Signals by name and by number. Real-time signals have numbers alone. */
import { constants } from 'node:os';
import { checkInteger, invalidType, outOfRange } from '../base/check';

/** The highest signal: SIGRTMAX. */
export const MAX_SIGNAL = 64;

const numbers: Readonly<Record<string, number>> = constants.signals;
const names = new Map<number, NodeJS.Signals>();
for (const [name, value] of Object.entries(numbers)) {
  // SIGIOT and SIGPOLL are second names: the first one listed stays.
  if (!names.has(value)) names.set(value, name as NodeJS.Signals);
}

/**
 * The number of a signal given by name ("SIGUSR1") or number, 1 to 64. Throws a RangeError for any
 * other name or number, which calls it `name`.
 */
export function signalNumber(signal: number | NodeJS.Signals, name = 'signal'): number {
  if (typeof signal === 'number') {
    checkInteger(name, signal, 1, MAX_SIGNAL);
    return signal;
  }
  if (typeof signal !== 'string') throw invalidType(name, "a signal's number or name", signal);
  const known = Object.hasOwn(numbers, signal) ? numbers[signal] : undefined;
  if (known === undefined) throw outOfRange(name, 'the name of a signal', signal);
  return known;
}

/** The name of a signal, 1 to 64, or null for those that have none. */
export function signalName(signal: number): NodeJS.Signals | null {
  checkInteger('signal', signal, 1, MAX_SIGNAL);
  return names.get(signal) ?? null;
}
