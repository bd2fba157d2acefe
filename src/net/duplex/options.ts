/** The sources and options of an {@link FdDuplex}, and the settings that follow from both. */
import { constants as fsConstants, fstatSync } from 'node:fs';
import type { DuplexOptions } from 'node:stream';
import { z } from 'zod';
import { INT32_MAX, invalidType, outOfRange } from '../../base/check';
import { signalField } from '../../base/option-fields';
import { parseOptions } from '../../base/options';
import { EventLoop } from '../../loop/event-loop';
import { F_GETFL, SO_ACCEPTCONN, SO_TYPE, SOCK_STREAM, SOL_SOCKET } from '../../sys/constants';
import { errno, SystemError, unwrap } from '../../sys/errno';
import { fcntl } from '../../sys/io';
import { getsockopt } from '../../sys/socket';
import { StreamConnection } from '../connection/connection';

const { O_RDONLY, O_RDWR, O_WRONLY } = fsConstants;
const ACCESS_MODE = O_RDONLY | O_WRONLY | O_RDWR;

/** Two fds that are one stream: it reads from one, and writes to the other. */
export interface FdEnds {
  /** Without it, the stream is for writing only. */
  readFd?: number;
  /** Without it, the stream is for reading only. */
  writeFd?: number;
}

/** Options of {@link FdDuplex}. */
export interface FdDuplexOptions {
  /**
   * Keep our half open when the other side has ended, until `end` is called. True if not given, as
   * of `stream.Duplex`, and needed under TLS, whose last bytes may go after that. False does what
   * `net.Socket` does by default, for libraries that never call `end` when they hear of an end.
   */
  allowHalfOpen?: boolean;
  /** As of `stream.Duplex`: bytes to keep in each direction before the other side has to wait. */
  highWaterMark?: number;
  /** The same for the bytes that come. */
  readableHighWaterMark?: number;
  /** The same for the bytes that go. */
  writableHighWaterMark?: number;
  /** Destroy the stream, with an AbortError, when this is aborted. */
  signal?: AbortSignal;
  /**
   * For fds: close them with the stream; true if not given. Stdin, stdout and stderr (0 to 2) stay open
   * all the same: libuv ends the process when one of its own fds gets such a number. A socket's FIN
   * is sent, the end of a pipe comes with the end of the process.
   */
  ownsFd?: boolean;
  /** For fds: the loop that does the work; this thread's default loop if not given. */
  loop?: EventLoop;
}

const bytes = z.int().min(0).optional();
const streamFields = {
  allowHalfOpen: z.boolean().default(true),
  highWaterMark: bytes,
  readableHighWaterMark: bytes,
  writableHighWaterMark: bytes,
  signal: signalField.optional(),
};
const connectionSchema = z.strictObject(streamFields);
const fdSchema = z.strictObject({
  ...streamFields,
  ownsFd: z.boolean().default(true),
  loop: z.instanceof(EventLoop).optional(),
});

const fd = z.int().min(0).max(INT32_MAX);
const endsSchema = z
  .strictObject({ readFd: fd.optional(), writeFd: fd.optional() })
  .refine(({ readFd, writeFd }) => readFd !== undefined || writeFd !== undefined, {
    error: 'expected readFd, writeFd, or both',
  });

/** The connection, socket or fds that the bytes go over. */
export type DuplexBase =
  | { kind: 'connection'; connection: StreamConnection }
  /** A stream socket, which makes a connection. */
  | { kind: 'socket'; fd: number; ownsFd: boolean; loop: EventLoop | undefined }
  | { kind: 'fds'; ends: FdEnds; ownsFd: boolean; loop: EventLoop | undefined };

/** Checked options, with what they mean. */
export interface DuplexPlan {
  readonly base: DuplexBase;
  /** What `stream.Duplex` is made with; its types do not know that one side can be left out. */
  readonly stream: DuplexOptions & { readable?: boolean; writable?: boolean };
  readonly signal: AbortSignal | undefined;
}

/**
 * Look at `source` and check `options`. Throws a TypeError for what is wrong with either, and a
 * {@link SystemError} for an fd that cannot be a stream: EBADF, EPERM for a regular file, EINVAL for a
 * listener. Takes nothing over.
 */
export function duplexPlan(
  source: StreamConnection | number | FdEnds,
  options: FdDuplexOptions,
): DuplexPlan {
  if (source instanceof StreamConnection) {
    const { signal, ...stream } = parseOptions('FdDuplex', connectionSchema, options);
    return {
      base: { kind: 'connection', connection: source },
      signal,
      stream: { ...stream, decodeStrings: false },
    };
  }
  const { signal, ownsFd, loop, ...stream } = parseOptions('FdDuplex', fdSchema, options);
  const ends = endsOf(source);
  const { readFd, writeFd } = ends;
  for (const end of [readFd, writeFd]) {
    if (end === undefined) continue;
    refuseFile(end);
    refuseListener(end);
  }
  const isSocket = readFd !== undefined && readFd === writeFd && isStreamSocket(readFd);
  return {
    base: isSocket
      ? { kind: 'socket', fd: readFd, ownsFd, loop }
      : { kind: 'fds', ends, ownsFd, loop },
    signal,
    stream: {
      ...stream,
      decodeStrings: false,
      readable: readFd !== undefined,
      writable: writeFd !== undefined,
    },
  };
}

/** One fd is both ends, or the one it was opened for. */
function endsOf(source: number | FdEnds): FdEnds {
  if (isPlain(source)) {
    const { readFd, writeFd } = parseOptions('FdDuplex', endsSchema, source);
    return {
      ...(readFd === undefined ? {} : { readFd }),
      ...(writeFd === undefined ? {} : { writeFd }),
    };
  }
  if (typeof source !== 'number') {
    throw invalidType(
      'source',
      'a connection, an fd, or an object with readFd and writeFd',
      source,
    );
  }
  const access = unwrap(fcntl(source, F_GETFL), 'fcntl', notOpen(source)) & ACCESS_MODE;
  return {
    ...(access === O_WRONLY ? {} : { readFd: source }),
    ...(access === O_RDONLY ? {} : { writeFd: source }),
  };
}

/** An object that was written down as one: a server, or a socket of Node's, is no pair of fds. */
function isPlain(source: StreamConnection | number | FdEnds): source is FdEnds {
  if (typeof source !== 'object' || source === null) return false;
  const prototype: unknown = Object.getPrototypeOf(source);
  return prototype === Object.prototype || prototype === null;
}

/** The only way in which F_GETFL fails. */
function notOpen(fd: number): { fd: number; reason: string } {
  return { fd, reason: `fd ${fd} is not open` };
}

/** A file that is always ready cannot be waited for; epoll would refuse it only where it is read. */
function refuseFile(fd: number): void {
  unwrap(fcntl(fd, F_GETFL), 'fcntl', notOpen(fd));
  const stats = fstatSync(fd);
  if (!stats.isFile() && !stats.isDirectory()) return;
  const what = stats.isFile() ? 'a regular file' : 'a directory';
  const reason = `fd ${fd} is ${what}, which is always ready and cannot be watched; use node:fs`;
  throw new SystemError('epoll_ctl', errno.EPERM, { fd, reason });
}

/** It has no bytes, but connections. */
function refuseListener(fd: number): void {
  if (socketOption(fd, SO_ACCEPTCONN) !== 1) return;
  const reason = `fd ${fd} is a socket that listens; give it to a TcpServer or UnixServer, as the option "fd"`;
  throw new SystemError('recv', errno.EINVAL, { fd, reason });
}

function isStreamSocket(fd: number): boolean {
  return socketOption(fd, SO_TYPE) === SOCK_STREAM;
}

/** Undefined for what is no socket. */
function socketOption(fd: number, name: number): number | undefined {
  const value = new Int32Array(1);
  return getsockopt(fd, SOL_SOCKET, name, value) > 0 ? value[0] : undefined;
}

/** Throws for what is no time of silence. */
export function checkTimeout(value: number): void {
  if (typeof value !== 'number') throw invalidType('timeoutMs', 'a number', value);
  if (value >= 0 && value < Infinity) return;
  throw outOfRange('timeoutMs', 'a finite number >= 0', value);
}
