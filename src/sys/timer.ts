/**
 * timerfd(2) and clock_gettime(2): timers as fds, and the clocks they run on. Arguments are checked,
 * results are `n >= 0` or `-errno`.
 *
 * Times are pairs of seconds and nanoseconds, as in the kernel: a number of nanoseconds since 1970
 * does not fit a JavaScript number. The values that C writes through a pointer go to an object that the
 * caller brings, so that reading a clock allocates nothing.
 */

import { checkFd, checkInt, checkInteger, checkObject, INT32_MAX } from '../base/check';
import { TIMESPEC_NANOSECONDS_BYTE, timespec } from './abi';
import { declare, offsetOf, pointerTo, result, sizeOf, struct } from './libc';
import type { Timespec } from './timespec';

/** `struct itimerspec { struct timespec it_interval; struct timespec it_value; }` */
const itimerspec = struct({ it_interval: timespec, it_value: timespec });
const itimerspecPointer = pointerTo(itimerspec);

/** Bytes of `struct itimerspec`. */
export const ITIMERSPEC_BYTES: number = sizeOf(itimerspec);
/** Byte offset of `it_interval`. */
export const ITIMERSPEC_INTERVAL_BYTE: number = offsetOf(itimerspec, 'it_interval');
/** Byte offset of `it_value`. */
export const ITIMERSPEC_VALUE_BYTE: number = offsetOf(itimerspec, 'it_value');

const native = {
  timerfd_create: declare('int', 'timerfd_create', ['int', 'int']),
  timerfd_settime: declare('int', 'timerfd_settime', ['int', 'int', itimerspecPointer, 'void *']),
  timerfd_gettime: declare('int', 'timerfd_gettime', ['int', itimerspecPointer]),
  clock_gettime: declare('int', 'clock_gettime', ['int', pointerTo(timespec)]),
};

const HAS_LONG_SECONDS = sizeOf('long') === 8;
const WORD = 2 ** 32;
/** The most seconds a `time_t` of this machine can count that a JavaScript number can too. */
const MAX_SECONDS: number = HAS_LONG_SECONDS ? Number.MAX_SAFE_INTEGER : INT32_MAX;
const MAX_NANOSECONDS = 999_999_999;

/** When a timer fires: `struct itimerspec`. */
export interface TimerSpec {
  /** The first time; from now on, or on the clock with TFD_TIMER_ABSTIME. Zero disarms. */
  value: Timespec;
  /** The time between the following ones; zero for none. */
  interval: Timespec;
}

const bytes = new Uint8Array(ITIMERSPEC_BYTES);
const view = new DataView(bytes.buffer);

/**
 * `int timerfd_create(int clockid, int flags)`
 *
 * Returns a new fd that is a disarmed timer, or -EINVAL, -EMFILE, -ENFILE, -ENODEV, -ENOMEM; -EPERM
 * for an alarm clock without CAP_WAKE_ALARM. See timerfd_create(2).
 */
export function timerfdCreate(clock: number, flags: number): number {
  checkInt('clock', clock);
  checkInt('flags', flags);
  return result(native.timerfd_create(clock, flags));
}

/**
 * `int timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
 *                      struct itimerspec *old_value)`
 *
 * Arms the timer, or disarms it with a `value` of zero; expirations not yet read are forgotten.
 * `flags` may have TFD_TIMER_ABSTIME and TFD_TIMER_CANCEL_ON_SET. Returns 0, or -EBADF, -ECANCELED,
 * -EINVAL. See timerfd_settime(2).
 */
export function timerfdSettime(fd: number, flags: number, spec: TimerSpec): number {
  checkFd(fd);
  checkInt('flags', flags);
  checkSpec(spec);
  encodeTime(view, ITIMERSPEC_INTERVAL_BYTE, spec.interval, 'spec.interval');
  encodeTime(view, ITIMERSPEC_VALUE_BYTE, spec.value, 'spec.value');
  return result(native.timerfd_settime(fd, flags, bytes, null));
}

/**
 * `int timerfd_gettime(int fd, struct itimerspec *curr_value)`
 *
 * Puts into `spec` the time that is left until the timer fires, zero if it is disarmed, and its
 * interval. Returns 0, or -EBADF, -EINVAL. See timerfd_gettime(2).
 */
export function timerfdGettime(fd: number, spec: TimerSpec): number {
  checkFd(fd);
  checkSpec(spec);
  const outcome = result(native.timerfd_gettime(fd, bytes));
  if (outcome < 0) return outcome;
  decodeTime(ITIMERSPEC_INTERVAL_BYTE, spec.interval);
  decodeTime(ITIMERSPEC_VALUE_BYTE, spec.value);
  return outcome;
}

/**
 * `int clock_gettime(clockid_t clockid, struct timespec *tp)`
 *
 * Puts the time of the clock into `time`. Returns 0, or -EINVAL for a clock that does not exist. See
 * clock_gettime(2).
 */
export function clockGettime(clock: number, time: Timespec): number {
  checkInt('clock', clock);
  checkObject('time', time);
  const outcome = result(native.clock_gettime(clock, bytes));
  if (outcome >= 0) decodeTime(0, time);
  return outcome;
}

function checkSpec(spec: unknown): void {
  checkObject('spec', spec);
  checkObject('spec.interval', (spec as TimerSpec).interval);
  checkObject('spec.value', (spec as TimerSpec).value);
}

/** Put `time` into memory as a `struct timespec`. For the other files of this folder. */
export function encodeTime(
  target: DataView,
  at: number,
  { seconds, nanoseconds }: Timespec,
  name: string,
): void {
  checkInteger(`${name}.seconds`, seconds, 0, MAX_SECONDS);
  checkInteger(`${name}.nanoseconds`, nanoseconds, 0, MAX_NANOSECONDS);
  encodeLong(target, at, seconds);
  encodeLong(target, at + TIMESPEC_NANOSECONDS_BYTE, nanoseconds);
}

function encodeLong(target: DataView, at: number, value: number): void {
  target.setUint32(at, value % WORD, true);
  if (HAS_LONG_SECONDS) target.setUint32(at + 4, value / WORD, true);
}

function decodeTime(at: number, time: Timespec): void {
  const high = HAS_LONG_SECONDS ? view.getInt32(at + 4, true) : 0;
  time.seconds = high * WORD + view.getUint32(at, true);
  time.nanoseconds = view.getUint32(at + TIMESPEC_NANOSECONDS_BYTE, true);
}
