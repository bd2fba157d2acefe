/**
 * The answer to a request for a file, by RFC 9110: status, fields, and the pieces of the body. No
 * I/O: the file is open, and its size and time are known.
 */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { FileRange } from '../../bytes/file-range';
import { type BodyPart, bodyLength, contentRange, multipart, selectRanges } from './byte-ranges';
import { entityTag } from './entity-tag';
import { evaluate, type Validators } from './preconditions';
import type { RegularFile } from './regular-file';
import { EXACT, type FileSettings } from './send-file-options';

/** A status, and a body in order. The response already has the fields. */
export interface FileAnswer {
  statusCode: number;
  /** Empty for HEAD and for an answer without a body. */
  parts: readonly BodyPart[];
}

/** Fields about the file's bytes; a 204, 304, 412 or 416 has none of them. */
const BODY_FIELDS = [
  'Content-Encoding',
  'Content-Language',
  'Content-Length',
  'Content-Range',
  'Content-Type',
  'Transfer-Encoding',
];

/**
 * Decide, and set the fields of `response`. Conditions and ranges count where they have a meaning:
 * for GET (and conditions for HEAD), if the response's status is still 200. Fields that are set
 * already stay, except those with the length of the body.
 */
export function answerFile(
  response: ServerResponse,
  file: RegularFile,
  settings: FileSettings,
): FileAnswer {
  const { method, headers } = response.req;
  const state = setValidators(response, file, settings);
  if (!isPlain(response) || (method !== 'GET' && method !== 'HEAD')) return whole(response, file);
  if (settings.range) setDefault(response, 'Accept-Ranges', 'bytes');
  const verdict = evaluate(headers, state, Date.now());
  if (typeof verdict === 'number') return bodiless(response, verdict);
  const { range } = headers;
  if (!settings.range || range === undefined || method === 'HEAD' || verdict === 'whole') {
    return whole(response, file);
  }
  const ranges = selectRanges(range, file.size);
  if (ranges === 'whole') return whole(response, file);
  if (ranges !== 'unsatisfiable') return partial(response, file, ranges);
  const answer = bodiless(response, 416);
  response.setHeader('Content-Range', `bytes */${file.size}`);
  return answer;
}

/** Whether this is an ordinary answer, and not the page of an error. */
function isPlain(response: ServerResponse): boolean {
  return response.statusCode === 200;
}

/** Set ETag, Last-Modified and Content-Type if the caller has not. Returns the first two. */
function setValidators(
  response: ServerResponse,
  { modifiedMs, stats }: RegularFile,
  { etag, lastModified, contentType }: FileSettings,
): Validators {
  const now = Date.now();
  if (etag === true || etag === EXACT) {
    setDefault(response, 'ETag', entityTag(stats, etag === EXACT, now));
  } else if (etag !== false) setDefault(response, 'ETag', etag);
  if (lastModified !== false) {
    // A date in the future is not valid (8.8.2.1), but a file may have one by mistake.
    const date = lastModified === true ? Math.min(modifiedMs, now) : lastModified.getTime();
    setDefault(response, 'Last-Modified', new Date(date).toUTCString());
  }
  setDefault(response, 'Content-Type', contentType);
  return { etag: fieldOf(response, 'ETag'), lastModified: fieldOf(response, 'Last-Modified') };
}

/**
 * Whether an answer with this status has a body (RFC 9112, 6.3). If it has none, a client would
 * take the bytes for the beginning of the next answer.
 */
function mayHaveBody(statusCode: number): boolean {
  return statusCode >= 200 && statusCode !== 204 && statusCode !== 304;
}

function whole(response: ServerResponse, { size }: RegularFile): FileAnswer {
  if (!mayHaveBody(response.statusCode)) return bodiless(response, response.statusCode);
  return body(response, response.statusCode, [{ offset: 0, length: size }]);
}

function partial(response: ServerResponse, { size }: RegularFile, ranges: FileRange[]): FileAnswer {
  const [first] = ranges;
  if (first !== undefined && ranges.length === 1) {
    response.setHeader('Content-Range', contentRange(first, size));
    return body(response, 206, ranges);
  }
  // Random, and so not in the file.
  const boundary = randomBytes(18).toString('base64url');
  const type = fieldOf(response, 'Content-Type') ?? 'application/octet-stream';
  response.setHeader('Content-Type', `multipart/byteranges; boundary=${boundary}`);
  return body(response, 206, multipart(ranges, { boundary, type, size }));
}

function body(response: ServerResponse, statusCode: number, parts: BodyPart[]): FileAnswer {
  response.removeHeader('Transfer-Encoding');
  response.setHeader('Content-Length', bodyLength(parts));
  const isSent = response.req.method !== 'HEAD' && bodyLength(parts) > 0;
  return { statusCode, parts: isSent ? parts : [] };
}

function bodiless(response: ServerResponse, statusCode: number): FileAnswer {
  for (const field of BODY_FIELDS) response.removeHeader(field);
  // A 304 must not claim an empty body: its length means the file's.
  if (mayHaveBody(statusCode)) response.setHeader('Content-Length', 0);
  return { statusCode, parts: [] };
}

function setDefault(response: ServerResponse, name: string, value: string): void {
  if (!response.hasHeader(name)) response.setHeader(name, value);
}

function fieldOf(response: ServerResponse, name: string): string | undefined {
  const value = response.getHeader(name);
  return value === undefined ? undefined : String(value);
}
