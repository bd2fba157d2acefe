/** Watching single fds. */
export { EventFd, type EventFdOptions } from './event-fd';
export {
  FdSource,
  type FdSourceEvents,
  type FdSourceOptions,
  type FdSourceSetup,
} from './fd-source';
export {
  type FdInterest,
  FdWatcher,
  type FdWatcherEvents,
  type FdWatcherOptions,
  watch,
} from './fd-watcher';
export { PidFd, type ProcessExit } from './pid-fd';
export { SignalFd, type SignalFdOptions } from './signal-fd';
export {
  type TimerClock,
  type TimerExpiry,
  TimerFd,
  type TimerFdOptions,
  type TimerSchedule,
} from './timer-fd';
