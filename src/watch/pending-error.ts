/**
 * The error behind an EPOLLERR. The event says only that there is one; a socket returns the error
 * itself once, to the first reader. See socket(7), SO_ERROR.
 */
import { otherEndFailed } from '../base/errors';
import * as constants from '../sys/constants';
import { SystemError } from '../sys/errno';
import { getsockopt } from '../sys/socket';

const { SOL_SOCKET, SO_ERROR } = constants;
const value = new Int32Array(1);

/**
 * The pending error of `fd`; reading it removes it: SO_ERROR of a socket. For other fds, and for a
 * socket whose error was read before, an error that reports EPOLLERR itself (a pipe without a
 * reader).
 */
export function pendingError(fd: number): Error {
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, value) > 0 && value[0] !== 0) {
    return new SystemError('poll', value[0] as number, { fd });
  }
  return otherEndFailed(fd);
}
