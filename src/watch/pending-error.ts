/**
 * What EPOLLERR means for an fd. It says only that something is wrong; what it is, a socket tells
 * once, to the first who asks. See socket(7), SO_ERROR.
 */
import { otherEndFailed } from '../base/errors';
import * as constants from '../sys/constants';
import { SystemError } from '../sys/errno';
import { getsockopt } from '../sys/socket';

const { SOL_SOCKET, SO_ERROR } = constants;
const value = new Int32Array(1);

/**
 * The error that waits on `fd`, which reading takes away: SO_ERROR of a socket. For other fds, and
 * for a socket whose error was read before, the fact of EPOLLERR itself (a pipe without a reader).
 */
export function pendingError(fd: number): Error {
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, value) > 0 && value[0] !== 0) {
    return new SystemError('poll', value[0] as number, { fd });
  }
  return otherEndFailed(fd);
}
