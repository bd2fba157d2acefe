/** Watching single fds. */
export {
  type FdInterest,
  FdWatcher,
  type FdWatcherEvents,
  type FdWatcherOptions,
  watch,
} from './fd-watcher';
