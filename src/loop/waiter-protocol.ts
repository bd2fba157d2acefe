/** The messages between a loop's thread and its waiter thread. */

/** The first message of the waiter thread: it is about to wait. Loops have numbers from 1. */
export const READY = 0;

/** The event data of the eventfd that ends the thread. */
export const STOP = 0;

/** The waiter thread loads koffi, and aborts the process if it is ended from outside. */
export const LOADING = 0;

/** It has loaded koffi, or has failed to. */
export const LOADED = 1;

/** The data given to the waiter thread. */
export interface WaiterThreadData {
  /** The epoll set of the loops' epoll fds. */
  superFd: number;
  /** One word, in shared memory: LOADING, then LOADED. */
  progress: Int32Array;
}
