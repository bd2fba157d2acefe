/** Whether one fd is ready at this moment, for code that judges a peer and may itself be late. */
import { PollList, poll } from '../../sys/poll';

const list = new PollList(1);

/** Ask poll(2) whether `fd` has some of `events`, or an error, right now. Does not block. */
export function isReadyNow(fd: number, events: number): boolean {
  list.set(0, fd, events);
  // An interrupted call is no answer: it is not ready only if the kernel says so.
  return poll(list.bytes, 1, 0) !== 0;
}
