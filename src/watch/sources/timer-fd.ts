/**
 * A timer as an fd: timerfd_create(2).
 *
 * Beyond `setTimeout` it has: nanoseconds, expirations that are counted and not lost while
 * JavaScript is busy, an interval that does not drift, times of the wall clock, and clocks that go
 * on while the machine sleeps.
 */
import { z } from 'zod';
import { invalidType } from '../../base/check';
import { dateField } from '../../base/option-fields';
import { parseOptions } from '../../base/options';
import * as constants from '../../sys/constants';
import { errno, SystemError, unwrap } from '../../sys/errno';
import { read } from '../../sys/io';
import { closeOnThrow } from '../../sys/ownership';
import {
  clockGettime,
  type TimerSpec,
  timerfdCreate,
  timerfdGettime,
  timerfdSettime,
} from '../../sys/timer';
import type { Timespec } from '../../sys/timespec';
import { FdSource, type FdSourceOptions, fdSourceOptionFields } from '../fd-source';

const { ECANCELED, EINTR, EPERM } = errno;
const { TFD_CLOEXEC, TFD_NONBLOCK, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET } = constants;

/**
 * The clock of a {@link TimerFd}. `monotonic` stands still while the machine is suspended,
 * `boottime` does not, `realtime` is the wall clock, which can be set. The alarms also wake the
 * machine, and need CAP_WAKE_ALARM.
 */
export type TimerClock =
  | 'monotonic'
  | 'boottime'
  | 'realtime'
  | 'boottime-alarm'
  | 'realtime-alarm';

const CLOCKS = {
  monotonic: constants.CLOCK_MONOTONIC,
  boottime: constants.CLOCK_BOOTTIME,
  realtime: constants.CLOCK_REALTIME,
  'boottime-alarm': constants.CLOCK_BOOTTIME_ALARM,
  'realtime-alarm': constants.CLOCK_REALTIME_ALARM,
} as const satisfies Record<TimerClock, number>;

/**
 * The time at which a {@link TimerFd} fires. Milliseconds may have fractions, down to the
 * nanosecond.
 */
export interface TimerSchedule {
  /** Milliseconds until it fires first; `intervalMs` if neither this nor `at` is given. */
  delayMs?: number | undefined;
  /**
   * The first time: a Date (of a realtime clock), or milliseconds on the timer's clock, see {@link
   * TimerFd.now}. A past time fires at once.
   */
  at?: Date | number | undefined;
  /** Milliseconds between the following times; 0, the default, for none. */
  intervalMs?: number | undefined;
  /**
   * TFD_TIMER_CANCEL_ON_SET, for `at` on a realtime clock: emit when the clock is set, see {@link
   * TimerExpiry.clockChanged}.
   */
  cancelOnSet?: boolean | undefined;
}

/** Options of {@link TimerFd}. Without `delayMs`, `at` and `intervalMs` it starts disarmed. */
export interface TimerFdOptions extends TimerSchedule, FdSourceOptions {
  /** `monotonic` if not given. */
  clock?: TimerClock;
}

/** The record of a {@link TimerFd}. */
export interface TimerExpiry {
  /** Expirations since the last record: 1, or more if JavaScript was busy. */
  expirations: number;
  /**
   * True, with 0 expirations, if the clock was set and `cancelOnSet` is true. The timer stays armed
   * for its old time: read the clock, and call `set` again if necessary.
   */
  clockChanged: boolean;
}

const milliseconds = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const scheduleFields = {
  delayMs: milliseconds.optional(),
  at: z.union([dateField, milliseconds]).optional(),
  intervalMs: milliseconds.optional(),
  cancelOnSet: z.boolean().default(false),
};
const scheduleSchema = z.strictObject(scheduleFields);
const optionsSchema = z.strictObject({
  ...fdSourceOptionFields,
  ...scheduleFields,
  clock: z.enum(Object.keys(CLOCKS) as [TimerClock, ...TimerClock[]]).default('monotonic'),
});
type Schedule = z.output<typeof scheduleSchema>;

const WORD = 2 ** 32;
const NANOSECONDS_PER_SECOND = 1e9;

const count = new Uint32Array(2);
const bytes = new Uint8Array(count.buffer);
const spec: TimerSpec = {
  value: { seconds: 0, nanoseconds: 0 },
  interval: { seconds: 0, nanoseconds: 0 },
};

/**
 * A timerfd. It emits `timeout` with the number of expirations. Expirations without a listener are
 * counted in the next record, and forgotten by `set` and `clear`.
 */
export class TimerFd extends FdSource<'timeout', TimerExpiry> {
  readonly #clock: TimerClock;

  /**
   * Throws a TypeError for a wrong option, and a {@link SystemError}: EPERM for an alarm clock
   * without CAP_WAKE_ALARM, EINVAL for a clock that this kernel lacks, EMFILE or ENFILE when there
   * are no fds left.
   */
  constructor(options: TimerFdOptions = {}) {
    const { clock, loop, signal, ...schedule } = parseOptions('TimerFd', optionsSchema, options);
    super(createTimer(clock, schedule), { loop, signal, event: 'timeout' });
    this.#clock = clock;
  }

  /** The clock it runs on. */
  get clock(): TimerClock {
    return this.#clock;
  }

  /** The time of the timer's clock, in milliseconds: since 1970 for `realtime`, else since boot. */
  now(): number {
    return timeOf(this.#clock);
  }

  /**
   * Arm the timer; this replaces the former schedule. Expirations not emitted yet are forgotten.
   * Throws a TypeError for a wrong option.
   */
  set(schedule: TimerSchedule): this {
    const settings = parseOptions('TimerFd.set', scheduleSchema, schedule);
    if (!isScheduled(settings)) {
      throw invalidType('schedule', 'an object with delayMs, at or intervalMs', schedule);
    }
    arm(this.openFd('set'), this.#clock, settings);
    return this;
  }

  /** Disarm the timer. Expirations not emitted yet are forgotten. */
  clear(): this {
    putTime(spec.value, 0);
    putTime(spec.interval, 0);
    unwrap(timerfdSettime(this.openFd('clear'), 0, spec), 'timerfd_settime');
    return this;
  }

  /** Milliseconds until it fires, 0 if it is disarmed, and its interval, 0 if it has none. */
  get remaining(): { delayMs: number; intervalMs: number } {
    unwrap(timerfdGettime(this.openFd('read'), spec), 'timerfd_gettime');
    return { delayMs: msOf(spec.value), intervalMs: msOf(spec.interval) };
  }

  protected override readOnce(fd: number): number {
    const outcome = read(fd, bytes);
    if (outcome > 0) {
      const expirations = (count[0] as number) + (count[1] as number) * WORD;
      this.deliver({ expirations, clockChanged: false });
    } else if (outcome === -ECANCELED) {
      this.deliver({ expirations: 0, clockChanged: true });
      return -EINTR;
    }
    return outcome;
  }
}

function createTimer(clock: TimerClock, schedule: Schedule): number {
  const fd = timerfdCreate(CLOCKS[clock], TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd === -EPERM) {
    const reason = `the clock ${clock} wakes the machine, which needs CAP_WAKE_ALARM`;
    throw new SystemError('timerfd_create', fd, { reason });
  }
  unwrap(fd, 'timerfd_create');
  if (isScheduled(schedule)) closeOnThrow(fd, () => arm(fd, clock, schedule));
  return fd;
}

function isScheduled({ delayMs, at, intervalMs = 0 }: Schedule): boolean {
  return delayMs !== undefined || at !== undefined || intervalMs > 0;
}

function arm(fd: number, clock: TimerClock, schedule: Schedule): void {
  const { at, intervalMs = 0, delayMs = intervalMs, cancelOnSet } = schedule;
  const isWallClock = clock === 'realtime' || clock === 'realtime-alarm';
  if (at !== undefined && schedule.delayMs !== undefined) {
    throw invalidType('at', 'given without delayMs', at);
  }
  if (at instanceof Date && !isWallClock) {
    throw invalidType('at', `milliseconds for the clock ${clock}`, at);
  }
  if (cancelOnSet && (at === undefined || !isWallClock)) {
    throw invalidType('cancelOnSet', 'given with at, and a realtime clock', cancelOnSet);
  }
  putTime(spec.value, at === undefined ? delayMs : Number(at));
  putTime(spec.interval, intervalMs);
  // A time of zero would disarm it; one nanosecond is as good.
  if (isZero(spec.value)) spec.value.nanoseconds = 1;
  if (intervalMs > 0 && isZero(spec.interval)) spec.interval.nanoseconds = 1;
  const absolute = at === undefined ? 0 : TFD_TIMER_ABSTIME;
  const flags = absolute | (cancelOnSet ? TFD_TIMER_CANCEL_ON_SET : 0);
  unwrap(timerfdSettime(fd, flags, spec), 'timerfd_settime', { fd });
}

function timeOf(clock: TimerClock): number {
  unwrap(clockGettime(CLOCKS[clock], spec.value), 'clock_gettime');
  return msOf(spec.value);
}

function putTime(time: Timespec, ms: number): void {
  time.seconds = Math.floor(ms / 1_000);
  time.nanoseconds = Math.round((ms - time.seconds * 1_000) * 1e6);
  if (time.nanoseconds < NANOSECONDS_PER_SECOND) return;
  time.seconds += 1;
  time.nanoseconds -= NANOSECONDS_PER_SECOND;
}

function msOf({ seconds, nanoseconds }: Timespec): number {
  return seconds * 1_000 + nanoseconds / 1e6;
}

function isZero({ seconds, nanoseconds }: Timespec): boolean {
  return seconds === 0 && nanoseconds === 0;
}
