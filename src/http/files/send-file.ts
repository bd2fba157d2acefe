/**
 * Answering a request with a file: the head by node:http, the body by sendfile(2), so that no byte of
 * the file passes through JavaScript. On a response that does not stand directly on a connection of
 * ours (TLS, compression, a server of node:net) the same answer is given, and the bytes are copied.
 */
import type { ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { checkObject, invalidType, refuseExtra } from '../../base/check';
import { closedError } from '../../net/connection/writer';
import { wantFileFds } from '../file-fds';
import { waitForTurn } from '../response-events';
import { answerFile } from './file-answer';
import { endResponse, sendBody } from './file-body';
import { borrowFile, openFile, type RegularFile } from './regular-file';
import { type FileSettings, fileSettings, type SendFileOptions } from './send-file-options';

/** How an answer went. */
export interface FileOutcome {
  /** What was answered: 200, 206, 304, 412, 416, or the status that was set before. */
  statusCode: number;
  /** Whether the kernel has all bytes of the answer. */
  complete: boolean;
  /** Why the file was not sent, or not all of it: the client went away, the file became shorter. */
  error: Error | undefined;
}

/**
 * Answer with `file`: the path of a regular file, or an fd, which stays yours and must stay open
 * until the promise is settled. Fields that `response` has already stay; so does a status other than
 * 200, and then conditions and ranges are not looked at. The response is ended.
 *
 * Resolves when the kernel has all bytes, and also when the client went away before: an ordinary
 * thing, and nobody has to listen. Rejects while nothing has been answered, so that you can: with
 * ENOENT, EACCES and so on, EISDIR for a directory, EINVAL for a FIFO or a device (neither is
 * opened), ERR_HTTP_HEADERS_SENT; with a TypeError that names a wrong option. A path is taken as it
 * is: one that strangers wrote belongs to {@link serveFiles}.
 */
export async function sendFile(
  response: ServerResponse,
  file: string | Buffer | URL | number,
  options: SendFileOptions = {},
  noCallback?: never,
): Promise<FileOutcome> {
  checkResponse(response);
  refuseExtra('sendFile', noCallback, 'it returns a promise');
  const settings = fileSettings(options, pathText(file));
  checkUnanswered(response);
  if (typeof file === 'number') return sendOpenFile(response, borrowFile(file), settings);
  wantFileFds();
  if (!(await waitForTurn(response))) return unsent(response);
  return sendOpenFile(response, await openFile(file), settings);
}

/** As {@link sendFile}, with a file that is open, and is closed here in every case. */
export async function sendOpenFile(
  response: ServerResponse,
  file: RegularFile,
  settings: FileSettings,
): Promise<FileOutcome> {
  try {
    checkUnanswered(response);
    const { statusCode, parts } = answerFile(response, file, settings);
    // The body goes around the response, which would miss its bytes.
    response.strictContentLength = false;
    response.writeHead(statusCode);
    if (parts.length > 0) response.flushHeaders();
    const error =
      parts.length > 0 ? await sendBody(response, file, parts) : await endResponse(response);
    return { statusCode, complete: error === undefined, error };
  } finally {
    file.close();
  }
}

/** The client went away before the turn of its request came. */
export function unsent({ statusCode }: ServerResponse): FileOutcome {
  return { statusCode, complete: false, error: closedError() };
}

/** A URL of any realm, known as node:fs knows one. */
function isUrl(file: unknown): file is URL {
  if (typeof file !== 'object' || file === null) return false;
  const { href, protocol } = file as Partial<URL>;
  return typeof href === 'string' && typeof protocol === 'string';
}

/** By what is used of it, so that the response of a framework will do. */
function checkResponse(response: unknown): void {
  checkObject('response', response);
  const { writeHead, req } = response as Partial<ServerResponse>;
  if (typeof writeHead === 'function' && typeof req === 'object') return;
  throw invalidType('response', 'a ServerResponse', response);
}

function checkUnanswered(response: ServerResponse): void {
  if (!response.headersSent && !response.writableEnded) return;
  const error = new Error('the response has been answered already');
  throw Object.assign(error, { code: 'ERR_HTTP_HEADERS_SENT' });
}

function pathText(file: string | Buffer | URL | number): string | null {
  if (typeof file === 'number') return null;
  if (typeof file === 'string') return file;
  if (types.isUint8Array(file)) return Buffer.from(file).toString('latin1');
  if (isUrl(file)) return fileURLToPath(file);
  throw invalidType('file', 'a path (string, Buffer or URL) or an fd', file);
}
