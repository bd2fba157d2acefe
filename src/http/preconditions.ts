/**
 * Conditional requests, RFC 9110, section 13: whether a request's `If-...` fields let it through.
 * No I/O; the order of the questions is that of 13.2.2.
 */
import type { IncomingHttpHeaders } from 'node:http';
import fresh from 'fresh';

/** What names the state of a file. */
export interface Validators {
  /** The value of `ETag`; undefined if there is none. */
  etag: string | undefined;
  /** The value of `Last-Modified`; undefined if there is none. */
  lastModified: string | undefined;
}

/** `proceed`: answer as asked. `whole`: too, but ignore `Range`. The others are statuses. */
export type Verdict = 'proceed' | 'whole' | 304 | 412;

/** A date that is so much older than now has seen the last change of its second (8.8.2.2). */
const STRONG_DATE_MS = 1_000;

/** The verdict on a GET or HEAD with these `headers`, at `now` milliseconds since 1970. */
export function evaluate(headers: IncomingHttpHeaders, state: Validators, now: number): Verdict {
  if (!isPermitted(headers, state)) return 412;
  if (fresh(headers, { etag: state.etag, 'last-modified': state.lastModified })) return 304;
  const ifRange = headers['if-range'];
  return typeof ifRange !== 'string' || isSameState(ifRange, state, now) ? 'proceed' : 'whole';
}

/** If-Match, or else If-Unmodified-Since: of use to those who go on with what they have. */
function isPermitted(headers: IncomingHttpHeaders, { etag, lastModified }: Validators): boolean {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    return ifMatch.trim() === '*' || (isStrong(etag) && entityTags(ifMatch).includes(etag));
  }
  const since = Date.parse(headers['if-unmodified-since'] ?? '');
  // A date that is none is ignored, and so is any date where we have none to compare.
  if (Number.isNaN(since) || lastModified === undefined) return true;
  return Date.parse(lastModified) <= since;
}

/** If-Range (13.1.5): the part fits what the client has only if the validator is a strong one. */
function isSameState(ifRange: string, { etag, lastModified }: Validators, now: number): boolean {
  if (ifRange.includes('"')) return isStrong(etag) && ifRange.trim() === etag;
  if (lastModified === undefined || ifRange.trim() !== lastModified) return false;
  return now - Date.parse(lastModified) >= STRONG_DATE_MS;
}

function isStrong(etag: string | undefined): etag is string {
  return etag?.startsWith('"') ?? false;
}

/** The entity tags of a list, weak ones with their `W/`; a comma may stand inside a tag. */
function entityTags(list: string): string[] {
  return list.match(/(?:W\/)?"[^"]*"/g) ?? [];
}
