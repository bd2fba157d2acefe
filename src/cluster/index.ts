/** More than one thread or process. */
export type {
  PreforkListenOptions,
  PreforkOptions,
  PreforkStats,
  ProcessStats,
  WorkerStats,
} from './processes/options';
export { Prefork, type PreforkEvents, type PreforkProcess } from './processes/prefork';
export type { ListenerOptions } from './processes/protocol';
export type {
  DrainableServer,
  PreforkWorker,
  PreforkWorkerEvents,
  StopFunction,
} from './processes/worker';
export type { RestartPolicy } from './restart-pauses';
export type { TaskOptions, TaskSchedulerOptions, TaskSchedulerStats } from './tasks/options';
export { type TaskCloseResult, TaskScheduler } from './tasks/scheduler';
