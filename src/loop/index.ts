/** The event loop. */
export { defaultLoop } from './default-loop';
export { EventLoop, type EventLoopOptions, type EventLoopStats } from './event-loop';
export type { EventHandler, Registration } from './registration';
export { type TimerOwner, TimerWheel, WheelTimer } from './timer-wheel';
