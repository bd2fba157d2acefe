/**
 * Passes fds between processes over unix sockets (SCM_RIGHTS), and identifies the peer
 * (SO_PEERCRED).
 *
 * The receiver gets fds of its own for the same open files: both sides may close theirs at any
 * time. A call that throws leaves no fd open. See unix(7).
 */
import { z } from 'zod';
import {
  checkBytes,
  checkFd,
  checkWhole,
  invalidType,
  outOfRange,
  UINT32_MAX,
} from '../../base/check';
import { fdsTruncated, messageTruncated, tooManyFds } from '../../base/errors';
import { parseOptions } from '../../base/options';
import * as constants from '../../sys/constants';
import {
  type ControlMessage,
  type Credentials,
  decodeCredentials,
} from '../../sys/control-message';
import { errno, unwrap } from '../../sys/errno';
import { close } from '../../sys/io';
import { recvmsg, sendmsg } from '../../sys/message';
import { controlSpace, UCRED } from '../../sys/message-abi';
import { MessageBatch } from '../../sys/message-batch';
import { getsockopt } from '../../sys/socket';

const { EAGAIN, EINTR } = errno;
const { MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_NOSIGNAL, MSG_TRUNC } = constants;
const { SCM_CREDENTIALS, SCM_PIDFD, SCM_RIGHTS, SOL_SOCKET, SO_PEERCRED } = constants;

/** The most fds of one message: SCM_MAX_FD of the kernel. */
const MAX_FDS = 253;
/** The maximum of bytes that accompany them. */
const MAX_BYTES = 64 * 1024;
const FD_BYTES = Int32Array.BYTES_PER_ELEMENT;
/** Room for a security label (SO_PASSSEC), so that it does not push the fds out. */
const LABEL_BYTES = 256;
const CONTROL_BYTES =
  controlSpace(MAX_FDS * FD_BYTES) +
  controlSpace(UCRED.bytes) +
  controlSpace(FD_BYTES) +
  controlSpace(LABEL_BYTES);

/** On a stream at least one byte must accompany the fds, or they would not be sent. */
const ONE_BYTE = new Uint8Array(1);

let shared: MessageBatch | null = null;

function message(): MessageBatch {
  shared ??= new MessageBatch({ bytesPerMessage: MAX_BYTES, controlBytes: CONTROL_BYTES });
  return shared;
}

/**
 * Send `fds` over the connected unix socket `fd`, together with `bytes` (one NUL if not given).
 *
 * Returns the number of bytes taken: all of them, except by a stream whose buffer is nearly full,
 * where the fds go with the first one; 0 if the socket is full and nothing was sent. The fds stay
 * open here too. Throws a RangeError for no fd, for more than 253, and for no bytes or more than
 * 65,536; a {@link SystemError} EBADF for an fd that is not open, EPIPE or ECONNRESET when the peer
 * is gone. Blocks on a blocking fd.
 */
export function sendFds(fd: number, fds: readonly number[], bytes: Uint8Array = ONE_BYTE): number {
  if (!Array.isArray(fds)) throw invalidType('fds', 'an array', fds);
  if (fds.length < 1 || fds.length > MAX_FDS) {
    throw outOfRange('fds.length', `>= 1 and <= ${MAX_FDS}`, fds.length);
  }
  for (const [index, one] of fds.entries()) checkFd(one, `fds[${index}]`);
  checkBytes(bytes, 0, 'bytes');
  const length = checkWhole(bytes, 'bytes');
  if (length < 1 || length > MAX_BYTES) {
    throw outOfRange('bytes.byteLength', `>= 1 and <= ${MAX_BYTES}`, length);
  }
  const batch = message();
  batch.set(0, bytes);
  const data = new Uint8Array(Int32Array.from(fds).buffer);
  batch.addControl(0, { level: SOL_SOCKET, type: SCM_RIGHTS, data });
  const outcome = retried(() => sendmsg(fd, batch, 0, MSG_NOSIGNAL));
  return outcome === -EAGAIN ? 0 : unwrap(outcome, 'sendmsg', { fd });
}

/** The result of {@link receiveFds}. */
export interface ReceivedFds {
  /** The fds, open in this process and closed on exec. The caller must close them. */
  fds: number[];
  /** The bytes that accompanied them: a copy. */
  bytes: Buffer;
  /** The sender, if the socket has the option `passCredentials`. */
  credentials: Credentials | null;
}

/** Options of {@link receiveFds}. */
export interface ReceiveFdsOptions {
  /** The most fds that are accepted in one message; 253, the kernel's limit, if not given. */
  maxFds?: number;
}

const receiveSchema = z.strictObject({ maxFds: z.int().min(0).max(MAX_FDS).default(MAX_FDS) });

/**
 * Receive one message with its fds from the unix socket `fd`.
 *
 * Returns null if there is none yet. At the end of a stream there are no fds and no bytes. On a
 * stream, bytes sent just before may arrive together with those that carry the fds, but never the
 * fds of two messages. If not all fds could be received (this process has no fds left: MSG_CTRUNC),
 * if there are more than `maxFds`, or if a datagram was longer than 65,536 bytes, the received fds
 * are closed, and an Error with the code ERR_FDS_TRUNCATED, ERR_TOO_MANY_FDS or
 * ERR_MESSAGE_TRUNCATED is thrown; otherwise a {@link SystemError}. Blocks on a blocking fd.
 */
export function receiveFds(fd: number, options: ReceiveFdsOptions = {}): ReceivedFds | null {
  const { maxFds } = parseOptions('receiveFds', receiveSchema, options);
  const batch = message();
  const outcome = retried(() => recvmsg(fd, batch, 0, MSG_CMSG_CLOEXEC));
  if (outcome === -EAGAIN) return null;
  unwrap(outcome, 'recvmsg', { fd });
  const control = batch.control(0);
  const fds = fdsOf(control, SCM_RIGHTS);
  // A pidfd of the sender, on a socket with SO_PASSPIDFD: it is not part of the result, so close
  // it.
  closeAll(fdsOf(control, SCM_PIDFD));
  const error = faultOf(batch.flags(0), fds.length, maxFds);
  if (error !== null) {
    closeAll(fds);
    throw error;
  }
  return { fds, bytes: Buffer.from(batch.received(0)), credentials: credentialsOf(control) };
}

/**
 * The process at the other end of the connected unix socket `fd`: the one that called connect(2),
 * listen(2) or socketpair(2), as it was then. Null if the kernel knows of none: not connected, or
 * not a unix socket. Throws a {@link SystemError} for an fd that is not a socket. See unix(7).
 */
export function peerCredentials(fd: number): Credentials | null {
  const bytes = new Uint8Array(UCRED.bytes);
  unwrap(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytes), 'getsockopt', { fd });
  const credentials = decodeCredentials(bytes);
  return credentials.uid === UINT32_MAX ? null : credentials;
}

function retried(call: () => number): number {
  for (;;) {
    const outcome = call();
    if (outcome !== -EINTR) return outcome;
  }
}

function fdsOf(control: readonly ControlMessage[], wanted: number): number[] {
  const fds: number[] = [];
  for (const { level, type, data } of control) {
    if (level === SOL_SOCKET && type === wanted) fds.push(...new Int32Array(data.slice().buffer));
  }
  return fds;
}

function credentialsOf(control: readonly ControlMessage[]): Credentials | null {
  const found = control.find(({ level, type }) => level === SOL_SOCKET && type === SCM_CREDENTIALS);
  return found === undefined ? null : decodeCredentials(found.data);
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) close(fd);
}

function faultOf(flags: number, received: number, maxFds: number): Error | null {
  if ((flags & MSG_CTRUNC) !== 0) return fdsTruncated(received);
  if ((flags & MSG_TRUNC) !== 0) return messageTruncated(MAX_BYTES);
  return received <= maxFds ? null : tooManyFds(received, maxFds);
}
