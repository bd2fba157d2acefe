/** More than one thread or process. */
export type { TaskOptions, TaskSchedulerOptions, TaskSchedulerStats } from './tasks/options';
export { type TaskCloseResult, TaskScheduler } from './tasks/scheduler';
