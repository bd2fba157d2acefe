/**
 * epoll(7): the three calls, and the waits with a signal mask and with nanoseconds. Arguments are
 * checked, results are `n >= 0` or `-errno`. The only import of the waiter thread, so it stays light.
 */

import { checkFd, checkInt, checkInteger, checkRoom, INT32_MAX, invalidType } from '../base/check';
import { EVENT_BYTES, epollEvent, MAX_EVENTS, timespec } from './abi';
import { EPOLL_CTL_DEL } from './constants';
import { declare, declareOptional, pointerTo, result } from './libc';
import { checkSignalMask } from './signal-set';
import { encodeTimeout, type Timespec } from './timespec';

const eventPointer = pointerTo(epollEvent);
const native = {
  epoll_create1: declare('int', 'epoll_create1', ['int']),
  epoll_ctl: declare('int', 'epoll_ctl', ['int', 'int', 'int', eventPointer]),
  epoll_wait: declare('int', 'epoll_wait', ['int', eventPointer, 'int', 'int']),
  epoll_pwait: declare('int', 'epoll_pwait', ['int', eventPointer, 'int', 'int', 'void *']),
  epoll_pwait2: declareOptional('int', 'epoll_pwait2', [
    'int',
    eventPointer,
    'int',
    pointerTo(timespec),
    'void *',
  ]),
};

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
  else if (op !== EPOLL_CTL_DEL) throw invalidType('event', 'a Uint32Array', event);
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

/**
 * `int epoll_pwait(int epfd, struct epoll_event *events, int maxevents, int timeout,
 *                  const sigset_t *sigmask)`
 *
 * As {@link epollWait}; during the wait `mask`, from {@link encodeSignalSet}, is the thread's signal
 * mask. Null leaves the thread's own. See epoll_pwait(2).
 */
export function epollPwait(
  epfd: number,
  events: Uint32Array,
  maxEvents: number,
  timeoutMs: number,
  mask: Uint8Array | null = null,
): number {
  checkFd(epfd, 'epfd');
  checkEvents(events, maxEvents);
  checkInteger('timeoutMs', timeoutMs, -1, INT32_MAX);
  checkSignalMask(mask);
  return result(native.epoll_pwait(epfd, events, maxEvents, timeoutMs, mask));
}

/**
 * `int epoll_pwait2(int epfd, struct epoll_event *events, int maxevents,
 *                   const struct timespec *timeout, const sigset_t *sigmask)`
 *
 * As {@link epollPwait} with a timeout in nanoseconds; null waits without end. Returns -ENOSYS
 * before Linux 5.11 and glibc 2.35. See epoll_pwait2(2).
 */
export function epollPwait2(
  epfd: number,
  events: Uint32Array,
  maxEvents: number,
  timeout: Timespec | null,
  mask: Uint8Array | null = null,
): number {
  // First: a getter of the caller's object could shrink a buffer that was checked before.
  const memory = encodeTimeout(timeout);
  checkFd(epfd, 'epfd');
  checkEvents(events, maxEvents);
  checkSignalMask(mask);
  return result(native.epoll_pwait2(epfd, events, maxEvents, memory, mask));
}

function checkEvents(events: Uint32Array, maxEvents: number): void {
  checkInteger('maxEvents', maxEvents, 1, MAX_EVENTS);
  checkRoom(events, maxEvents * EVENT_BYTES, 'events');
}
