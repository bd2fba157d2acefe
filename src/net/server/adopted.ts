/** Connected sockets that were accepted elsewhere. */
import { ADDRESS_BYTES } from '../../sys/address';
import * as constants from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { fcntl, setNonBlocking } from '../../sys/io';
import { getpeername } from '../../sys/socket';

const { F_SETFD, FD_CLOEXEC } = constants;

/**
 * Make `fd` one of ours: close-on-exec and non-blocking, and its peer's address in `address`, as accept4(2)
 * does it. Throws a {@link SystemError} for what is no connected socket: EBADF, ENOTSOCK, ENOTCONN.
 */
export function adoptConnection(fd: number, address: Uint8Array | null | undefined): void {
  unwrap(getpeername(fd, address ?? new Uint8Array(ADDRESS_BYTES)), 'getpeername', { fd });
  unwrap(fcntl(fd, F_SETFD, FD_CLOEXEC), 'fcntl', { fd });
  unwrap(setNonBlocking(fd), 'fcntl', { fd });
}
