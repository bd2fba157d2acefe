/**
 * Conditional requests, RFC 9110, section 13: whether a request's `If-...` fields let it pass. No
 * I/O; the fields are evaluated in the order of 13.2.2.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** Identifies the state of a file. */
export interface Validators {
  /** The value of `ETag`; undefined if there is none. */
  etag: string | undefined;
  /** The value of `Last-Modified`; undefined if there is none. */
  lastModified: string | undefined;
}

/**
 * `proceed`: answer the request. `whole`: the same, but ignore `Range`. The others are statuses.
 */
export type Verdict = 'proceed' | 'whole' | 304 | 412;

/** A date so much older than now has seen the last change of its second (8.8.2.2). */
const STRONG_DATE_MS = 1_000;

/** The verdict on a GET or HEAD with these `headers`, at `now` milliseconds since 1970. */
export function evaluate(headers: IncomingHttpHeaders, state: Validators, now: number): Verdict {
  if (!isPermitted(headers, state)) return 412;
  if (isUnchanged(headers, state)) return 304;
  const ifRange = headers['if-range'];
  return typeof ifRange !== 'string' || isSameState(ifRange, state, now) ? 'proceed' : 'whole';
}

/** If-Match, or else If-Unmodified-Since: for clients that continue a download or an edit. */
function isPermitted(headers: IncomingHttpHeaders, { etag, lastModified }: Validators): boolean {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    return ifMatch.trim() === '*' || (isStrong(etag) && entityTags(ifMatch).includes(etag));
  }
  const since = parseDate(headers['if-unmodified-since']);
  // An invalid date is ignored, and so is any date if we have none to compare.
  if (Number.isNaN(since) || lastModified === undefined) return true;
  return Date.parse(lastModified) <= since;
}

/**
 * If-None-Match, or else If-Modified-Since: whether the client already has this state. A
 * `Cache-Control: no-cache` beside them is for the caches on the way: it makes a client ask here,
 * and is no reason to send the bytes again.
 */
function isUnchanged(headers: IncomingHttpHeaders, { etag, lastModified }: Validators): boolean {
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() === '*') return true;
    return (
      etag !== undefined && entityTags(ifNoneMatch).some((tag) => opaque(tag) === opaque(etag))
    );
  }
  // Also false if one of the two is not a date.
  return Date.parse(lastModified ?? '') <= parseDate(headers['if-modified-since']);
}

/** If-Range (13.1.5): the part fits the client's copy only if the validator is strong. */
function isSameState(ifRange: string, { etag, lastModified }: Validators, now: number): boolean {
  if (ifRange.includes('"')) return isStrong(etag) && ifRange.trim() === etag;
  if (lastModified === undefined || ifRange.trim() !== lastModified) return false;
  return now - Date.parse(lastModified) >= STRONG_DATE_MS;
}

function isStrong(etag: string | undefined): etag is string {
  return etag?.startsWith('"') ?? false;
}

/** A tag without its mark of weakness: a weak comparison ignores it (8.8.3.2). */
function opaque(etag: string): string {
  return etag.startsWith('W/') ? etag.slice(2) : etag;
}

/** The three forms of a date (5.6.7); the last one does not mention GMT. */
const IMF_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const RFC_850_DATE = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/** Milliseconds since 1970; NaN if it is not a date of HTTP, even if Date.parse accepts it. */
function parseDate(text = ''): number {
  const date = text.trim();
  if (IMF_DATE.test(date) || RFC_850_DATE.test(date)) return Date.parse(date);
  return ASCTIME_DATE.test(date) ? Date.parse(`${date} GMT`) : Number.NaN;
}

/** The entity tags of a list, weak ones with their `W/`; a comma may stand inside a tag. */
function entityTags(list: string): string[] {
  return list.match(/(?:W\/)?"[^"]*"/g) ?? [];
}
