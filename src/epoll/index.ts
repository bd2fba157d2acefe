/** One epoll instance and what belongs to it. */
export type { BusyPoll } from './busy-poll';
export { Epoll, type EpollOptions, type EventData, type WaitOptions } from './epoll';
export { EventList, type ReadyEvent } from './event-list';
export { formatEvents, type InterestOptions, interestMask } from './interest';
export { pollFds, type SelectOptions, type SelectSets, selectFds } from './poll';
export { Waker } from './waker';
