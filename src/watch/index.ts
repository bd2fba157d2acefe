/** Watching single fds. */

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
export { Inotify, type InotifyAddOptions } from './inotify/inotify';
export type { InotifyOptions } from './inotify/source';
export { InotifyTree } from './inotify/tree';
export type {
  InotifyTreeOptions,
  RootGone,
  TreeChange,
  TreeMove,
  TreeOverflow,
  TreePlace,
  TreeRecord,
  UnwatchedDirectory,
} from './inotify/tree-record';
export type {
  FileChange,
  FileMove,
  FilePlace,
  InotifyRecord,
  InotifyWatch,
  QueueOverflow,
} from './inotify/watch';
export type { ChangeKind, FileEvent } from './inotify/words';
export { EventFd, type EventFdOptions } from './sources/event-fd';
export { PidFd, type ProcessExit } from './sources/pid-fd';
export {
  PressureMonitor,
  type PressureMonitorOptions,
  type PressureRecord,
} from './sources/pressure';
export type { PressureAverages, PressureReading } from './sources/pressure-file';
export {
  type AddressRecord,
  type LinkGone,
  type LinkRecord,
  RouteMonitor,
  type RouteMonitorOptions,
  type RouteOverflow,
  type RouteRecord,
  type RouteSynced,
} from './sources/route-monitor';
export { SignalFd, type SignalFdOptions } from './sources/signal-fd';
export {
  type TimerClock,
  type TimerExpiry,
  TimerFd,
  type TimerFdOptions,
  type TimerSchedule,
} from './sources/timer-fd';
export { FdReader } from './stream/fd-reader';
export {
  type FdWriteCallback,
  FdWriter,
  type FdWriterEvents,
  type FdWriterOptions,
} from './stream/fd-writer';
export { Pipe, type PipeOptions } from './stream/pipe';
export { Pty, type PtyOptions } from './stream/pty';
export { RawMode } from './stream/raw-mode';
