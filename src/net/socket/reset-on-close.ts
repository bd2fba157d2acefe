/**
 * Ends a connection by a reset (RST) instead of a FIN: SO_LINGER with a time of 0, see socket(7).
 * The peer gets ECONNRESET, so it does not take a part of a message for the whole. Nothing is left
 * of the connection here, no TIME_WAIT that would hold the port.
 */
import { SO_LINGER, SOL_SOCKET } from '../../sys/constants';
import { setsockopt } from '../../sys/socket';

/** `struct linger`: on, for no time. */
const NO_TIME = Int32Array.of(1, 0);

/**
 * Make the close of `fd` a reset. A socket without resets, such as a unix socket, stays as it is.
 */
export function resetOnClose(fd: number): void {
  setsockopt(fd, SOL_SOCKET, SO_LINGER, NO_TIME);
}
