/**
 * Questions about one fd that poll(2) answers at this moment, without blocking.
 *
 * Code that judges a peer asks here before it cuts one: this thread may itself be late.
 */
import { POLLRDHUP } from '../../sys/constants';
import { PollList, poll } from '../../sys/poll';

const list = new PollList(1);

/** Whether `fd` has some of `events`, or an error, right now. */
export function isReadyNow(fd: number, events: number): boolean {
  // An interrupted call is no answer: the fd is not ready only if the kernel says so.
  return ask(fd, events) !== 0;
}

/**
 * Whether the reading half of a socket was shut down: shutdown(2) with SHUT_RD, by any process that
 * shares the socket. False also if the kernel cannot say.
 *
 * Such a listener on a unix socket, and such a datagram socket, is readable for ever (EPOLLIN) while
 * accept4(2) and recvmmsg(2) give EAGAIN. EPOLLRDHUP would distinguish the two, but the watchers do not
 * ask for it, so that their masks stay those of the kernel's documents. They ask here instead, after an
 * event that brought nothing.
 */
export function isReadingShut(fd: number): boolean {
  return ask(fd, POLLRDHUP) > 0 && (list.revents(0) & POLLRDHUP) !== 0;
}

function ask(fd: number, events: number): number {
  list.set(0, fd, events);
  return poll(list.bytes, 1, 0);
}
