/** One epoll instance and what belongs to it. */
export { Epoll, type EpollOptions, type EventData, type WaitOptions } from './epoll';
export { EventList, type ReadyEvent } from './event-list';
export { formatEvents, type InterestOptions, interestMask } from './interest';
export { Waker } from './waker';
