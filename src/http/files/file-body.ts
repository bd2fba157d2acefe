/**
 * Sends the body of a file's answer: by sendfile(2) if the response stands directly on a connection
 * of ours, else through the response like any other body.
 *
 * "Directly" is essential: under TLS, behind a middleware that compresses, or on a socket of
 * node:net, the bytes of the file must not bypass the layers between. There they are read and
 * written.
 */
import { read } from 'node:fs';
import { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { type HeldRange, rangeError } from '../../bytes/file-range';
import { closedError } from '../../net/connection/errors';
import { FdDuplex } from '../../net/duplex/fd-duplex';
import { errno } from '../../sys/errno';
import { waitFor, waitForTurn } from '../response-events';
import type { BodyPart } from './byte-ranges';
import type { RegularFile } from './regular-file';

const { EBADF } = errno;

const readAsync = promisify(read);

/** Text between ranges, or a range. */
type HeldPart = string | HeldRange;

/** Bytes of one read(2) if the file cannot go directly. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Send `parts` of `file` after the written head, and end the response. Resolves when the kernel has
 * all bytes: to undefined, or to the error that ended the connection. The file is not used after
 * that.
 */
export async function sendBody(
  response: ServerResponse,
  file: RegularFile,
  parts: readonly BodyPart[],
): Promise<Error | undefined> {
  const socket = directSocket(response);
  const held = parts.map((part) => (typeof part === 'string' ? part : file.hold(part)));
  const error =
    socket === null ? await copy(response, held) : await sendDirectly(response, socket, held);
  if (error !== undefined) {
    // A client notices half a body only by the end of the connection.
    response.destroy();
    return error;
  }
  const endError = await endResponse(response);
  // The kernel has taken the last range: a client that leaves now has all of it.
  return socket !== null && typeof parts.at(-1) !== 'string' ? undefined : endError;
}

/** End `response`. Resolves when its bytes have left: to undefined, or to an error. */
export async function endResponse(
  response: ServerResponse,
  text?: string,
): Promise<Error | undefined> {
  const finished = waitFor(response, 'finish');
  response.end(text);
  return (await finished) ? undefined : closedError();
}

/** The connection of ours that `response` writes to, unaltered; null if there is none. */
function directSocket(response: ServerResponse): FdDuplex | null {
  const { write, end } = ServerResponse.prototype;
  if (!(response instanceof ServerResponse) || response.write !== write || response.end !== end) {
    return null;
  }
  const { socket } = response.req;
  return socket instanceof FdDuplex && socket.connection !== null ? socket : null;
}

/** Queue all parts on the connection, in order: the kernel does the rest. */
async function sendDirectly(
  response: ServerResponse,
  socket: FdDuplex,
  parts: readonly HeldPart[],
): Promise<Error | undefined> {
  if (!(await waitForTurn(response))) return closedError();
  if (!socket.writable) return closedError();
  const rangeCount = parts.filter((part) => typeof part !== 'string').length;
  return new Promise((resolve) => {
    let left = rangeCount;
    let failure: Error | undefined;
    const onSent = (error?: Error | null): void => {
      failure ??= error ?? undefined;
      left -= 1;
      if (left === 0) resolve(failure);
    };
    for (const part of parts) {
      if (typeof part === 'string') response.write(part, 'latin1');
      else queueRange(socket, part, onSent);
    }
  });
}

function queueRange(
  socket: FdDuplex,
  range: HeldRange,
  onSent: (error?: Error | null) => void,
): void {
  try {
    socket.sendFile(range.fd, range, onSent);
  } catch (error) {
    // The caller has closed the fd before our turn.
    socket.destroy(error as Error);
    onSent(error as Error);
  }
}

/** Read and write, one chunk at a time. No read is under way when this resolves. */
async function copy(
  response: ServerResponse,
  parts: readonly HeldPart[],
): Promise<Error | undefined> {
  for (const part of parts) {
    const error =
      typeof part === 'string' ? await write(response, part) : await copyRange(response, part);
    if (error !== undefined) return error;
  }
  return undefined;
}

async function copyRange(response: ServerResponse, range: HeldRange): Promise<Error | undefined> {
  for (let sent = 0; sent < range.length; ) {
    const chunk = await readChunk(range, sent);
    if (chunk instanceof Error) return chunk;
    const error = await write(response, chunk);
    if (error !== undefined) return error;
    sent += chunk.byteLength;
  }
  return undefined;
}

/** The next bytes of `range` after `sent` bytes. */
async function readChunk(range: HeldRange, sent: number): Promise<Buffer | Error> {
  const { fd } = range;
  const position = range.offset + sent;
  try {
    if (!range.isOpen) return rangeError(-EBADF, fd, position);
    const buffer = Buffer.allocUnsafe(Math.min(range.length - sent, CHUNK_BYTES));
    const { bytesRead } = await readAsync(fd, buffer, 0, buffer.byteLength, position);
    // Check again: the read had to wait for a thread of the pool, and the number may be another
    // file's.
    if (!range.isOpen) return rangeError(-EBADF, fd, position);
    return bytesRead > 0 ? buffer.subarray(0, bytesRead) : rangeError(0, fd, position);
  } catch (error) {
    return error as Error;
  }
}

/** Resolves when more may be written; to an error if the client has left. */
async function write(response: ServerResponse, data: string | Buffer): Promise<Error | undefined> {
  if (response.destroyed || response.req.socket.destroyed) return closedError();
  if (response.write(data, 'latin1')) return undefined;
  return (await waitFor(response, 'drain')) ? undefined : closedError();
}
