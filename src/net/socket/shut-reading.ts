/**
 * Whether the reading half of a socket was shut down: shutdown(2) with SHUT_RD, by whoever shares it.
 *
 * Such a listener on a unix socket, and such a datagram socket, is readable for ever (EPOLLIN) while
 * accepting and receiving give EAGAIN. EPOLLRDHUP tells the two apart, but those who watch have not
 * asked for it, so that the masks stay what the kernel's documents show. They ask here instead, when
 * a readiness was for nothing.
 */
import { POLLRDHUP } from '../../sys/constants';
import { PollList, poll } from '../../sys/poll';

const asked = new PollList(1);

/** One poll(2), which does not block. False also if the kernel cannot say. */
export function isReadingShut(fd: number): boolean {
  asked.set(0, fd, POLLRDHUP);
  return poll(asked.bytes, 1, 0) > 0 && (asked.revents(0) & POLLRDHUP) !== 0;
}
