/**
 * Waits that epoll_wait(2) cannot do: fractions of a millisecond, and a signal mask.
 *
 * epoll_pwait2(2) is missing before Linux 5.11 and glibc 2.35. There epoll_pwait(2) replaces it,
 * with the time rounded up to whole milliseconds. The first call finds this out, and it is
 * remembered.
 */
import { epollPwait, epollPwait2 } from '../sys/epoll';
import { errno } from '../sys/errno';
import type { EventList } from './event-list';
import { toTimespec, toWholeMs } from './timeout';

const { ENOSYS, EPERM } = errno;

let hasPwait2 = true;

/**
 * Wait on `epfd` for up to `timeoutMs`, already checked, with the signal mask `mask`; null leaves
 * the thread's own. Returns the number of events put into `list`, or -errno. Blocks.
 */
export function preciseWait(
  epfd: number,
  list: EventList,
  timeoutMs: number,
  mask: Uint8Array | null,
): number {
  const { words, capacity } = list;
  if (hasPwait2 && timeoutMs % 1 > 0) {
    const outcome = epollPwait2(epfd, words, capacity, toTimespec(timeoutMs), mask);
    // EPERM does not come from the kernel: an old container's filter returns it for calls it does
    // not know.
    if (outcome !== -ENOSYS && outcome !== -EPERM) return outcome;
    hasPwait2 = false;
  }
  return epollPwait(epfd, words, capacity, toWholeMs(timeoutMs), mask);
}
