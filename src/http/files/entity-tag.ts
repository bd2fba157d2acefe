/**
 * The entity tag of a file, RFC 9110, section 8.8.3. No I/O.
 *
 * It is made of the second of the last change and the size, in the form nginx gives it, so that all
 * servers behind a balancer that hold the same file agree: an inode or the time of a copy differs
 * between them, and so do the fractions of a second that many a copy loses.
 *
 * A file that was just changed may change again within the second. Its tag is weak, and has the
 * nanoseconds too: a client that was given it asks once more, and cannot hold on to the first of two
 * changes.
 */
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';

/** A file that was changed this short a time ago may change again without its time telling. */
const STEADY_MS = 2_000;

const NS_PER_SECOND = 1_000_000_000n;

/**
 * The value of `ETag` for a file with these `stats`, at `now` milliseconds since 1970. `exact`: one
 * that also differs between two files of the same size and time, and so between two servers.
 */
export function entityTag(stats: BigIntStats, exact: boolean, now: number): string {
  const isYoung = now - Number(stats.mtimeMs) < STEADY_MS;
  const tag = exact ? exactTag(stats) : plainTag(stats, isYoung);
  return isYoung ? `W/"${tag}"` : `"${tag}"`;
}

function plainTag({ size, mtimeNs }: BigIntStats, isYoung: boolean): string {
  const [seconds, ns] = [mtimeNs / NS_PER_SECOND, mtimeNs % NS_PER_SECOND];
  const tag = `${seconds.toString(16)}-${size.toString(16)}`;
  return isYoung ? `${tag}-${ns.toString(16)}` : tag;
}

/** Hashed: an inode's number is nobody's business. */
function exactTag({ size, mtimeNs, ctimeNs, ino, dev }: BigIntStats): string {
  const hash = createHash('sha256').update(`${size} ${mtimeNs} ${ctimeNs} ${ino} ${dev}`);
  return hash.digest('base64url').slice(0, 22);
}
