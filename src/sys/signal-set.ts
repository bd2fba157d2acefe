/** Sets of signals: from names and numbers to the bytes of a `sigset_t`. */
import { invalidType } from './check';
import { signalNumber } from './signal-name';

/** Bytes of libc's `sigset_t`: room for 1,024 signals, of which Linux has 64. */
const SIGNAL_SET_BYTES = 128;

/**
 * The bytes of a `sigset_t` with `signals` in it: bit n - 1 stands for signal n. Throws a RangeError
 * for what is neither the name of a signal nor a number from 1 to 64. See sigsetops(3).
 */
export function encodeSignalSet(signals: readonly (number | NodeJS.Signals)[]): Uint8Array {
  if (!Array.isArray(signals)) throw invalidType('signals', 'an array', signals);
  const set = new Uint8Array(SIGNAL_SET_BYTES);
  for (const signal of signals) {
    const bit = signalNumber(signal) - 1;
    // An array of little-endian words: its bytes are in the order of the bits.
    set[bit >> 3] = (set[bit >> 3] as number) | (1 << (bit & 7));
  }
  return set;
}
