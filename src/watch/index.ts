/** Watching single fds. */
export { EventFd, type EventFdOptions } from './event-fd';
export { FdReader } from './fd-reader';
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
export {
  type FdWriteCallback,
  FdWriter,
  type FdWriterEvents,
  type FdWriterOptions,
} from './fd-writer';
export { Inotify, type InotifyAddOptions } from './inotify';
export type { InotifyOptions } from './inotify-source';
export { InotifyTree } from './inotify-tree';
export type {
  InotifyTreeOptions,
  RootGone,
  TreeChange,
  TreeMove,
  TreeOverflow,
  TreePlace,
  TreeRecord,
  UnwatchedDirectory,
} from './inotify-tree-record';
export type {
  FileChange,
  FileMove,
  FilePlace,
  InotifyRecord,
  InotifyWatch,
  QueueOverflow,
} from './inotify-watch';
export type { ChangeKind, FileEvent } from './inotify-words';
export { PidFd, type ProcessExit } from './pid-fd';
export { Pipe, type PipeOptions } from './pipe';
export { PressureMonitor, type PressureMonitorOptions, type PressureRecord } from './pressure';
export type { PressureAverages, PressureReading } from './pressure-file';
export { Pty, type PtyOptions } from './pty';
export { RawMode } from './raw-mode';
export {
  type AddressRecord,
  type LinkGone,
  type LinkRecord,
  RouteMonitor,
  type RouteMonitorOptions,
  type RouteOverflow,
  type RouteRecord,
  type RouteSynced,
} from './route-monitor';
export { SignalFd, type SignalFdOptions } from './signal-fd';
export {
  type TimerClock,
  type TimerExpiry,
  TimerFd,
  type TimerFdOptions,
  type TimerSchedule,
} from './timer-fd';
