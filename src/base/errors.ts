/**
 * Every error that is this package's own, and no call of Linux's: one constructor each, which takes
 * the facts and makes the message and the `code`. No other file has a literal that begins with
 * `ERR_`. `src/ERRORS.md` is the page for users; a test compares it with this file, both ways.
 *
 * Errors of system calls are `SystemError`s, see sys/errno.ts. Codes that Node has too
 * (`ERR_INVALID_ARG_TYPE`) mean here what they mean there.
 */

/** An error with the `code` by which programs know it. */
export type Coded<E extends Error = Error> = E & { code: string };

// Arguments and options

/** A wrong kind of argument. */
export function wrongType(text: string): Coded<TypeError> {
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_TYPE' });
}

/** An option that does not exist, or whose value no option may have. */
export function wrongValue(text: string): Coded<TypeError> {
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_VALUE' });
}

/** A number that is too small, too large, or no integer. */
export function wrongRange(text: string): Coded<RangeError> {
  return Object.assign(new RangeError(text), { code: 'ERR_OUT_OF_RANGE' });
}

/** Of the text that a write was given. */
export function unknownEncoding(encoding: string): Coded<TypeError> {
  const error = new TypeError(`Unknown encoding: ${encoding}`);
  return Object.assign(error, { code: 'ERR_UNKNOWN_ENCODING' });
}

/** A function of the user's returned something else than `expected`. */
export function wrongReturn(expected: string, name: string, received: string): Coded<TypeError> {
  const text = `Expected ${expected} to be returned from the "${name}" function but got ${received}`;
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_RETURN_VALUE' });
}

// Calls that come too late

/** Of an event loop, to calls (`is`) and to the handlers of the fds that it still watched (`was`). */
export function loopClosed(tense: 'is' | 'was'): Coded {
  return coded(`the event loop ${tense} closed`, 'ERR_LOOP_CLOSED');
}

/** Of an FdWatcher. */
export function watcherClosed(action: string, fd: number): Coded {
  return coded(`cannot ${action}: the watcher of fd ${fd} is closed`, 'ERR_WATCHER_CLOSED');
}

/** Of an FdSource, whose class is called `name`. */
export function sourceClosed(action: string, name: string): Coded {
  return coded(`cannot ${action}: the ${name} is closed`, 'ERR_SOURCE_CLOSED');
}

/** Of an FdWriter. */
export function writerClosed(): Coded {
  return coded('the writer is closed', 'ERR_WRITER_CLOSED');
}

/** Of a DatagramSocket. */
export function socketClosed(action: string): Coded {
  return coded(`cannot ${action}: the DatagramSocket is closed`, 'ERR_SOCKET_CLOSED');
}

/** Of a connection. */
export function connectionClosed(): Coded {
  return coded('the connection is closed', 'ERR_CONNECTION_CLOSED');
}

/** Of a connection that its owner wants to give up. */
export function notDetachable(fd: number, queuedBytes: number): Coded {
  const why = queuedBytes > 0 ? `${queuedBytes} bytes wait to be sent` : 'it ends, or has failed';
  const what =
    fd < 0 ? 'the connection is closed' : `the connection on fd ${fd} cannot be detached: ${why}`;
  return Object.assign(coded(what, 'ERR_NOT_DETACHABLE'), { fd });
}

/** Of a WebSocket that is closing or closed. */
export function webSocketNotOpen(): Coded {
  return coded('the WebSocket is not open', 'ERR_WEBSOCKET_NOT_OPEN');
}

/** Of the Epoll of compat/epoll. */
export function epollClosed(method: string, when: string): Coded {
  return coded(`${method} can't be called ${when}`, 'ERR_EPOLL_CLOSED');
}

/** Of an end of a Pipe, which is used or was taken away. */
export function pipeEnd(text: string): Coded {
  return coded(text, 'ERR_PIPE_END');
}

/** Of a response whose head is sent. */
export function headersSent(): Coded {
  return coded('the response has been answered already', 'ERR_HTTP_HEADERS_SENT');
}

// Errors for things that cannot be had

/** Anywhere but on Linux. */
export function wrongPlatform(platform: string): Coded {
  const text = `epoll-ffi needs Linux: epoll does not exist on ${platform}`;
  return coded(text, 'ERR_UNSUPPORTED_PLATFORM');
}

/** The waiter thread of a program that is bundled in `bundle`, from where `koffi` is not found. */
export function waiterMissing(bundle: string): Coded {
  const text =
    `the waiter thread of the bundle ${bundle} does not find the package koffi; ` +
    'leave koffi external (esbuild: --external:koffi), and install it where the bundle runs';
  return coded(text, 'ERR_WAITER_MISSING');
}

/** Signals that threads of this process would take, and no fd. */
export function signalNotBlocked(signals: string, threads: string): Coded {
  const text = `${signals} sent to this process would go to its threads ${threads}, which do not block it`;
  return coded(text, 'ERR_SIGNAL_NOT_BLOCKED');
}

/** Another owner serves the connections of this server already. */
export function serverTaken(name: string, owner: string): Coded {
  const text =
    `${name}: the connections of this server are taken by ${owner}; ` +
    'only one serveHttp and any number of WebSocketServers, by path, share a server';
  return coded(text, 'ERR_SERVER_TAKEN');
}

/** The path of a WebSocketServer that another one on the server has already. */
export function pathTaken(path: string | undefined): Coded {
  const what = path === undefined ? 'all paths, as it was given none,' : `the path '${path}'`;
  const text = `path: another WebSocketServer on this server has ${what} already`;
  return coded(text, 'ERR_SERVER_TAKEN');
}

/** The IP address of a server that listens at a path. */
export function noIpAddress(): Coded {
  return coded('a WebSocketServer on a unix socket has no IP address', 'ERR_NO_IP_ADDRESS');
}

// Errors for data that was lost on the way

/** A file that ended before the range of it that was to be sent. */
export function fileTruncated(fd: number, offset: number): Coded {
  const text = `fd ${fd} ended at offset ${offset}, before the range that was to be sent`;
  return Object.assign(coded(text, 'ERR_FILE_TRUNCATED'), { fd });
}

/** Queued bytes that were taken away before a connection had sent them. */
export function bytesLost(fd: number): Coded {
  const text = 'bytes that were queued have been detached or shrunk before they were sent';
  return Object.assign(coded(text, 'ERR_BYTES_LOST'), { fd });
}

/** Fds that this process had no room for. */
export function fdsTruncated(received: number): Coded {
  const text = `only ${received} of the fds that were sent could be received; they are closed`;
  return coded(text, 'ERR_FDS_TRUNCATED');
}

/** A message with fds that was too long. */
export function messageTruncated(maxBytes: number): Coded {
  const text = `a message was longer than ${maxBytes} bytes; its fds are closed`;
  return coded(text, 'ERR_MESSAGE_TRUNCATED');
}

/** More fds than the receiver wants. */
export function tooManyFds(received: number, maxFds: number): Coded {
  const text = `${received} fds were sent, at most ${maxFds} are accepted; they are closed`;
  return coded(text, 'ERR_TOO_MANY_FDS');
}

/** EPOLLERR, where no socket says what it is about. */
export function otherEndFailed(fd: number): Coded {
  const text = `EPOLLERR on fd ${fd}: the other end is gone or failed`;
  return Object.assign(coded(text, 'EPOLLERR'), { fd });
}

// Deadlines and protocols

/** Of a shutdown: the connections that are left are cut. */
export function shutdownDeadline(deadlineMs: number): Coded {
  const text = `the server shuts down, and this did not end within ${deadlineMs} ms`;
  return coded(text, 'ERR_SHUTDOWN_DEADLINE');
}

/** Of `authorize`. */
export function authorizeTimeout(timeoutMs: number): Coded {
  const text = `"authorize" gave no verdict within ${timeoutMs} ms (handshakeTimeoutMs)`;
  return coded(text, 'ERR_AUTHORIZE_TIMEOUT');
}

/** Of the heartbeat of a WebSocket. */
export function pongTimeout(pingIntervalMs: number): Coded {
  return coded(`no pong within ${pingIntervalMs} ms`, 'ERR_PONG_TIMEOUT');
}

/** A WebSocket peer that broke RFC 6455 or a limit: it is sent `closeCode`. */
export function webSocketProtocol(reason: string, closeCode: number): Coded {
  const error = coded(`WebSocket peer refused: ${reason}`, 'ERR_WEBSOCKET_PROTOCOL');
  return Object.assign(error, { closeCode });
}

// Warnings

/** Loops that cannot wait in the way they should; `text` says why, and how they wait instead. */
export function warnOfWaiter(text: string): void {
  process.emitWarning(text, { code: 'EPOLL_FFI_WAITER' });
}

/** An `error` without a listener, of an emitter that goes on. */
export function warnUnheard(emitter: string, error: Error): void {
  const text = `${emitter}: ${String(error)} (it goes on; its "error" has no listener)`;
  process.emitWarning(text, { code: 'EPOLL_FFI_UNHEARD' });
}

/** For the tables of errors: this one, and that of a layer. */
export function coded(text: string, code: string, cause?: unknown): Coded {
  const options = cause === undefined ? undefined : { cause };
  return Object.assign(new Error(text, options), { code });
}
