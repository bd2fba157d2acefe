/**
 * The bytes that the kernel holds of one socket, in each direction: ioctl(2) with SIOCOUTQ and
 * SIOCINQ, see tcp(7) and unix(7). For code that judges a peer by its progress: a queue in our
 * memory stands still until a third of the kernel's buffer is free, while the peer may read from
 * that buffer all the time.
 */
import { FIONREAD, TIOCOUTQ } from '../../sys/constants';
import { ioctl } from '../../sys/ioctl';

const count = new Int32Array(1);

/**
 * Bytes that the kernel has taken from us and the peer's kernel has not acknowledged; of a unix
 * socket the memory of its peer's unread bytes, which is more. 0 if `fd` cannot say.
 */
export function undeliveredBytes(fd: number): number {
  return ask(fd, TIOCOUTQ);
}

/** Bytes that have arrived and were not read; 0 if `fd` cannot say. */
export function unreadBytes(fd: number): number {
  return ask(fd, FIONREAD);
}

function ask(fd: number, request: number): number {
  return fd >= 0 && ioctl(fd, request, count) >= 0 ? (count[0] as number) : 0;
}
