/** Whether a path still leads to the same file as before. */
import { type BigIntStats, constants, statSync } from 'node:fs';

const S_IFMT = BigInt(constants.S_IFMT);

/** Undefined before the first check. */
let areBirthsKnown: boolean | undefined;

/**
 * Whether `now`, null for nothing, is the file that was `then`: by kind, device and inode, and by
 * its time of birth, because the number of a removed file is soon reused.
 */
export function isSameFile(then: BigIntStats, now: BigIntStats | null | undefined): boolean {
  if (now == null || now.ino !== then.ino || now.dev !== then.dev) return false;
  if (((now.mode ^ then.mode) & S_IFMT) !== 0n) return false;
  return now.birthtimeNs === then.birthtimeNs || !hasBirths();
}

/**
 * If statx(2) is not allowed (old containers), Node returns the time of the last change as the time
 * of birth. A file of /proc shows it: those have no time of birth.
 */
function hasBirths(): boolean {
  areBirthsKnown ??= statSync('/proc/self/stat', { bigint: true }).birthtimeNs === 0n;
  return areBirthsKnown;
}
