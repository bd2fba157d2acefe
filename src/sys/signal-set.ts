/**
 * Sets of signals: numbers and names to the bytes of `sigset_t`, as epoll_pwait(2), ppoll(2) and
 * signalfd(2) take them. libc itself sets the bits (sigaddset(3)): it knows which signals it keeps
 * for its own threads.
 */

import { checkRoom, invalidType, outOfRange } from '../base/check';
import { SIGNAL_SET_BYTES } from './abi';
import { declare } from './libc';
import { signalNumber } from './signal-name';

const native = {
  sigemptyset: declare('int', 'sigemptyset', ['void *']),
  sigaddset: declare('int', 'sigaddset', ['void *', 'int']),
};

/**
 * The bytes of a `sigset_t` that contains `signals`: numbers from 1 to 64, or names ("SIGINT").
 *
 * A set may contain SIGKILL and SIGSTOP; the kernel ignores them. Throws a TypeError if `signals`
 * is not a list of numbers and names, and a RangeError for a signal that does not exist, and for
 * the first realtime signals (32 and 33 with glibc), which libc refuses because its threads need
 * them. The error calls the list `name`. See sigsetops(3).
 */
export function encodeSignalSet(
  signals: readonly (number | NodeJS.Signals)[],
  name = 'signals',
): Uint8Array {
  if (!Array.isArray(signals)) throw invalidType(name, 'an array of signals', signals);
  const bytes = new Uint8Array(SIGNAL_SET_BYTES);
  native.sigemptyset(bytes);
  // By index, so that a hole in the list is refused and not skipped.
  for (let index = 0; index < signals.length; index += 1) {
    const signal = signals[index] as number;
    const number = signalNumber(signal, `${name}[${index}]`);
    if (native.sigaddset(bytes, number) === 0) continue;
    throw outOfRange(`${name}[${index}]`, 'a signal that libc does not keep for itself', signal);
  }
  return bytes;
}

/** The memory of a signal mask as libc reads it: null, or a whole `sigset_t`. */
export function checkSignalMask(mask: Uint8Array | null): void {
  if (mask !== null) checkRoom(mask, SIGNAL_SET_BYTES, 'mask');
}
