/** The messages between a loop's thread and its waiter thread. */

/** The first message of the waiter thread: it is about to wait. Loops have numbers from 1. */
export const READY = 0;

/** The event data of the eventfd that ends the thread. */
export const STOP = 0;

/** The data given to the waiter thread. */
export interface WaiterThreadData {
  /** The epoll set of the loops' epoll fds. */
  superFd: number;
  /** See base/loading-threads.ts. */
  progress: Int32Array;
}
