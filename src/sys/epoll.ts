/**
 * epoll(7): the three calls, and their nanosecond sister. Arguments are checked, results are
 * `n >= 0` or `-errno`. The only import of the waiter thread, so it stays light.
 */
import {
  EVENT_BYTES,
  epollEvent,
  MAX_EVENTS,
  TIMESPEC_BYTES,
  TIMESPEC_NANOSECONDS_BYTE,
  timespec,
} from './abi';
import { checkFd, checkInt, checkInteger, checkRoom, INT32_MAX, invalidType } from './check';
import { declare, declareOptional, pointerTo, result } from './libc';

const eventPointer = pointerTo(epollEvent);
const native = {
  epoll_create1: declare('int', 'epoll_create1', ['int']),
  epoll_ctl: declare('int', 'epoll_ctl', ['int', 'int', 'int', eventPointer]),
  epoll_wait: declare('int', 'epoll_wait', ['int', eventPointer, 'int', 'int']),
  epoll_pwait2: declareOptional('int', 'epoll_pwait2', [
    'int',
    eventPointer,
    'int',
    pointerTo(timespec),
    'void *',
  ]),
};

const MAX_NANOSECONDS = 999_999_999;

/**
 * `int epoll_create1(int flags)`
 *
 * Returns a new epoll fd, or -EINVAL, -EMFILE, -ENFILE, -ENOMEM. See epoll_create1(2).
 */
export function epollCreate1(flags: number): number {
  checkInt('flags', flags);
  return result(native.epoll_create1(flags));
}

/**
 * `int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)`
 *
 * `event` is one event as {@link createEventBuffer} makes it; null is allowed with EPOLL_CTL_DEL
 * alone. Returns 0, or -EBADF, -EEXIST, -EINVAL, -ELOOP, -ENOENT, -ENOMEM, -ENOSPC, -EPERM (a
 * regular file or directory). Does not block. See epoll_ctl(2).
 */
export function epollCtl(epfd: number, op: number, fd: number, event: Uint32Array | null): number {
  checkFd(epfd, 'epfd');
  checkInt('op', op);
  checkFd(fd);
  if (event !== null) checkRoom(event, EVENT_BYTES, 'event');
  else if (op !== 2) throw invalidType('event', 'a Uint32Array', event);
  return result(native.epoll_ctl(epfd, op, fd, event));
}

/**
 * `int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)`
 *
 * Fills `events` with up to `maxEvents` events. `timeoutMs` 0 returns at once, -1 waits without
 * end. Returns the number of events, 0 at the timeout, or -EBADF, -EINTR, -EINVAL. Blocks this
 * thread, and all its JavaScript, for up to `timeoutMs`. See epoll_wait(2).
 */
export function epollWait(
  epfd: number,
  events: Uint32Array,
  maxEvents: number,
  timeoutMs: number,
): number {
  checkFd(epfd, 'epfd');
  checkEvents(events, maxEvents);
  checkInteger('timeoutMs', timeoutMs, -1, INT32_MAX);
  return result(native.epoll_wait(epfd, events, maxEvents, timeoutMs));
}

/** How long to wait: `struct timespec`. */
export interface Timespec {
  seconds: number;
  nanoseconds: number;
}

const timespecBytes = new Uint8Array(TIMESPEC_BYTES);
const timespecView = new DataView(timespecBytes.buffer);

/**
 * `int epoll_pwait2(int epfd, struct epoll_event *events, int maxevents,
 *                   const struct timespec *timeout, const sigset_t *sigmask)`
 *
 * As {@link epollWait} with a timeout in nanoseconds; null waits without end. The signal mask is
 * left alone. Returns -ENOSYS before Linux 5.11 and glibc 2.35. See epoll_pwait2(2).
 */
export function epollPwait2(
  epfd: number,
  events: Uint32Array,
  maxEvents: number,
  timeout: Timespec | null,
): number {
  checkFd(epfd, 'epfd');
  checkEvents(events, maxEvents);
  if (timeout !== null) {
    if (typeof timeout !== 'object') throw invalidType('timeout', 'an object or null', timeout);
    const { seconds, nanoseconds } = timeout;
    checkInteger('timeout.seconds', seconds, 0, INT32_MAX);
    checkInteger('timeout.nanoseconds', nanoseconds, 0, MAX_NANOSECONDS);
    // Both fit 31 bits, so the low word is the whole value of a long of either size.
    timespecView.setUint32(0, seconds, true);
    timespecView.setUint32(TIMESPEC_NANOSECONDS_BYTE, nanoseconds, true);
  }
  return result(
    native.epoll_pwait2(epfd, events, maxEvents, timeout === null ? null : timespecBytes, null),
  );
}

function checkEvents(events: Uint32Array, maxEvents: number): void {
  checkInteger('maxEvents', maxEvents, 1, MAX_EVENTS);
  checkRoom(events, maxEvents * EVENT_BYTES, 'events');
}
