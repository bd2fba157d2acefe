/**
 * Whether another owner of a socket has shut down its reading half: shutdown(2) with SHUT_RD.
 *
 * Such a listener on a unix socket, and such a datagram socket, is readable for ever (EPOLLIN),
 * while accepting and receiving return EAGAIN. EPOLLRDHUP would show it, but our masks do not ask
 * for it, so that they stay as in the kernel's documents. They call this instead, when a readiness
 * was for nothing.
 */
import { POLLRDHUP } from '../../sys/constants';
import { PollList, poll } from '../../sys/poll';

const asked = new PollList(1);

/** One poll(2), which does not block. False also if the kernel cannot say. */
export function isReadingShut(fd: number): boolean {
  asked.set(0, fd, POLLRDHUP);
  return poll(asked.bytes, 1, 0) > 0 && (asked.revents(0) & POLLRDHUP) !== 0;
}
