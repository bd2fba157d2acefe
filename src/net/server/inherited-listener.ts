/**
 * Listening sockets that other code has opened: the service manager, a parent, another process that
 * sent them. They are checked first, because a number in an environment may be anything.
 */
import { z } from 'zod';
import { INT32_MAX } from '../../base/check';
import { ADDRESS_BYTES } from '../../sys/address';
import * as constants from '../../sys/constants';
import { errno, errnoText, SystemError, unwrap } from '../../sys/errno';
import { fcntl, setNonBlocking } from '../../sys/io';
import { getsockname, getsockopt } from '../../sys/socket';

const { EINVAL, ENOTSOCK } = errno;
const { F_SETFD, FD_CLOEXEC, SOCK_STREAM, SOL_SOCKET, SO_ACCEPTCONN, SO_TYPE } = constants;

/** The option `fd` of a server. */
export const inheritedFd = z.int().min(0).max(INT32_MAX);
/** An option about how to listen, together with an `fd` that already listens. */
export const notWithFd = z
  .undefined({ error: 'not together with "fd", whose socket is bound and listens' })
  .optional();

/**
 * Make `fd` ours: a stream socket that listens. It becomes close-on-exec, and non-blocking, also
 * for other processes that have it.
 *
 * Throws a {@link SystemError} that names the problem, and leaves the fd alone: EBADF if it is not
 * open, ENOTSOCK if it is not a socket, EINVAL if it does not listen, or not for streams.
 */
export function adoptListener(fd: number): void {
  if (intOption(fd, SO_ACCEPTCONN) === 0) throw refusal(fd, 'is a socket that does not listen');
  if (intOption(fd, SO_TYPE) !== SOCK_STREAM) throw refusal(fd, 'is no stream socket');
  unwrap(fcntl(fd, F_SETFD, FD_CLOEXEC), 'fcntl', { fd });
  unwrap(setNonBlocking(fd), 'fcntl', { fd });
}

/** The address of the socket, decoded; throws EINVAL if it is not of the wanted kind. */
export function boundTo<A>(
  fd: number,
  { decode, wanted }: { decode: (bytes: Uint8Array) => A | null; wanted: string },
): A {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  const length = unwrap(getsockname(fd, bytes), 'getsockname', { fd });
  const address = decode(bytes.subarray(0, length));
  if (address === null) throw refusal(fd, `is not ${wanted}`);
  return address;
}

function intOption(fd: number, name: number): number {
  const value = new Int32Array(1);
  const outcome = getsockopt(fd, SOL_SOCKET, name, value);
  if (outcome >= 0) return value[0] as number;
  const reason =
    outcome === -ENOTSOCK ? `fd ${fd} is no socket` : `fd ${fd}: ${errnoText(outcome)}`;
  throw new SystemError('getsockopt', outcome, { fd, reason });
}

function refusal(fd: number, what: string): SystemError {
  return new SystemError('accept4', EINVAL, { fd, reason: `fd ${fd} ${what}` });
}
