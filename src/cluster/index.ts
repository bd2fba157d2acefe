/** Threads and processes: what needs more than one event loop. */
export type { Balance } from './accept/dispatcher';
export type { AcceptStrategy } from './accept/ticket';
export type { ListenOptions, ReactorPoolOptions } from './reactors/options';
export { ReactorPool, type ReactorPoolEvents, type StopOptions } from './reactors/pool';
export {
  Reactor,
  type ReactorEvents,
  type SendFdOptions,
  type Stoppable,
} from './reactors/reactor';
export type { StopResult } from './reactors/reactor-worker';
export type { PoolStats, ReactorStats } from './reactors/stats';
export type { RestartPolicy } from './restart-pauses';
