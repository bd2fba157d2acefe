/**
 * Answers a request with a file: the head by node:http, the body by sendfile(2), so no byte of the
 * file passes through JavaScript. On a response that does not stand directly on a connection of
 * ours (TLS, compression, a server of node:net) the answer is the same, and the bytes are copied.
 */
import type { ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { checkObject, invalidType, refuseExtra } from '../../base/check';
import { headersSent } from '../../base/errors';
import { closedError } from '../../net/connection/errors';
import { wantFileFds } from '../file-fds';
import { waitForTurn } from '../response-events';
import { answerFile } from './file-answer';
import { endResponse, sendBody } from './file-body';
import { borrowFile, openFile, type RegularFile } from './regular-file';
import { type FileSettings, fileSettings, type SendFileOptions } from './send-file-options';

/** The outcome of an answer. */
export interface FileOutcome {
  /** The status of the answer: 200, 206, 304, 412, 416, or the status that was set before. */
  statusCode: number;
  /** Whether the kernel has all bytes of the answer. */
  complete: boolean;
  /** The reason why the file was not sent completely: the client left, the file became shorter. */
  error: Error | undefined;
}

/**
 * Answer with `file`: the path of a regular file, or an fd, which stays yours and must stay open
 * until the promise is settled. Fields that `response` already has stay. So does a status other
 * than 200, and then conditions and ranges are ignored. The response is ended.
 *
 * Resolves when the kernel has all bytes, and also when the client leaves before: that is ordinary,
 * and needs no handler. Rejects before anything is answered, so that you can answer: with ENOENT,
 * EACCES and so on, EISDIR for a directory, EINVAL for a FIFO or a device (neither is opened),
 * ERR_HTTP_HEADERS_SENT; with a TypeError that names a wrong option. A path is used as it is: for
 * paths from strangers use {@link serveFiles}.
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

/** As {@link sendFile}, with an open file, which is closed here in every case. */
export async function sendOpenFile(
  response: ServerResponse,
  file: RegularFile,
  settings: FileSettings,
): Promise<FileOutcome> {
  try {
    checkUnanswered(response);
    const { statusCode, parts } = answerFile(response, file, settings);
    // The body bypasses the response, which would miss its bytes.
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

/** The client left before the turn of its request. */
export function unsent({ statusCode }: ServerResponse): FileOutcome {
  return { statusCode, complete: false, error: closedError() };
}

/** A URL of any realm, recognized as node:fs does. */
function isUrl(file: unknown): file is URL {
  if (typeof file !== 'object' || file === null) return false;
  const { href, protocol } = file as Partial<URL>;
  return typeof href === 'string' && typeof protocol === 'string';
}

/** Checks only the used members, so that the response of a framework is accepted. */
function checkResponse(response: unknown): void {
  checkObject('response', response);
  const { writeHead, req } = response as Partial<ServerResponse>;
  if (typeof writeHead === 'function' && typeof req === 'object') return;
  throw invalidType('response', 'a ServerResponse', response);
}

function checkUnanswered(response: ServerResponse): void {
  if (response.headersSent || response.writableEnded) throw headersSent();
}

function pathText(file: string | Buffer | URL | number): string | null {
  if (typeof file === 'number') return null;
  if (typeof file === 'string') return file;
  if (types.isUint8Array(file)) return Buffer.from(file).toString('latin1');
  if (isUrl(file)) return fileURLToPath(file);
  throw invalidType('file', 'a path (string, Buffer or URL) or an fd', file);
}
