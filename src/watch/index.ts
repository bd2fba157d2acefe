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
export { Inotify, type InotifyAddOptions } from './inotify';
export type { InotifyOptions } from './inotify-source';
export type {
  FileChange,
  FileMove,
  FilePlace,
  InotifyRecord,
  InotifyWatch,
  QueueOverflow,
} from './inotify-watch';
export type { ChangeKind, FileEvent } from './inotify-words';
