/** The event loop. */
export { defaultLoop } from './default-loop';
export { EventLoop } from './event-loop';
export type { EventLoopOptions, EventLoopStats } from './event-loop-options';
export type { EventHandler, Registration } from './registration';
export { type TimerEntry, UNSCHEDULED } from './timer-lists';
export { type TimerOwner, TimerWheel, WheelTimer } from './timer-wheel';
