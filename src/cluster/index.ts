/** Threads and processes: what needs more than one event loop. */

export { execArgvFor } from '../base/script-thread';
export type { Balance } from './accept/dispatcher';
export type { AcceptStrategy } from './accept/ticket';
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
export type { ListenOptions, ReactorPoolOptions } from './reactors/options';
export { ReactorPool, type ReactorPoolEvents, type StopOptions } from './reactors/pool';
export {
  Reactor,
  type ReactorEvents,
  type SendFdOptions,
  type Stoppable,
} from './reactors/reactor';
export type { PoolStats, ReactorStats } from './reactors/stats';
export type { StopResult } from './reactors/stop-result';
export type { RestartPolicy } from './restart-pauses';
export type { BoundedWaitOptions } from './shared/bounded-wait';
export type { SharedHandle } from './shared/handle';
export { Leadership } from './shared/leadership';
export type { ReadySlot, ReadySlots } from './shared/ready-slots';
export { SharedQueue, type SharedQueueOptions } from './shared/shared-queue';
export { SharedSet, type SharedSetStats } from './shared/shared-set';
export type {
  AddOptions,
  OpenSharedSetOptions,
  SharedSetOptions,
} from './shared/shared-set-options';
export type { TaskOptions, TaskSchedulerOptions, TaskSchedulerStats } from './tasks/options';
export { type TaskCloseResult, TaskScheduler } from './tasks/scheduler';
