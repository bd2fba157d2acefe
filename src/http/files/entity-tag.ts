/**
 * The entity tag of a file, RFC 9110, section 8.8.3. No I/O.
 *
 * It consists of the second of the last change and the size, in nginx's form, so that all servers
 * behind a balancer that have the same file agree. An inode or the time of a copy differs between
 * them, and many copies lose the fractions of a second.
 *
 * A file that was just changed may change again within the second. Its tag is weak, and contains
 * the nanoseconds too: a client with this tag asks once more, and does not keep the first of two
 * changes.
 */
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';

/** A file younger than this may change again with the same time. */
const STEADY_MS = 2_000;

const NS_PER_SECOND = 1_000_000_000n;

/**
 * The value of `ETag` for a file with these `stats`, at `now` milliseconds since 1970. `exact`: a
 * tag that also differs between two files of the same size and time, and so between two servers.
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

/** Hashed, so that it does not reveal an inode number. */
function exactTag({ size, mtimeNs, ctimeNs, ino, dev }: BigIntStats): string {
  const hash = createHash('sha256').update(`${size} ${mtimeNs} ${ctimeNs} ${ino} ${dev}`);
  return hash.digest('base64url').slice(0, 22);
}
