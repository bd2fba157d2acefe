/** Whether a path still leads to the file that it led to before. */
import { type BigIntStats, constants, statSync } from 'node:fs';

const S_IFMT = BigInt(constants.S_IFMT);

/** Undefined until it is asked for. */
let areBirthsKnown: boolean | undefined;

/**
 * Whether `now`, null for nothing, is the file that was `then`. By kind, device and inode; and since
 * the number of a file that was removed is soon used again, by its time of birth.
 */
export function isSameFile(then: BigIntStats, now: BigIntStats | null | undefined): boolean {
  if (now == null || now.ino !== then.ino || now.dev !== then.dev) return false;
  if (((now.mode ^ then.mode) & S_IFMT) !== 0n) return false;
  return now.birthtimeNs === then.birthtimeNs || !hasBirths();
}

/**
 * Where statx(2) is not allowed (old containers), Node gives the time of the last change as that of
 * birth. A file of /proc shows it: those have no time of birth.
 */
function hasBirths(): boolean {
  areBirthsKnown ??= statSync('/proc/self/stat', { bigint: true }).birthtimeNs === 0n;
  return areBirthsKnown;
}
