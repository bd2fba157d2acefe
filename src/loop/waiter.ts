/**
 * Waits while a loop has nothing to do.
 *
 * A waiter never takes an event: it only wakes the loop. It watches the loop's epoll fd, which is
 * itself pollable, and readable while anything in the loop's set is ready.
 */
export interface Waiter {
  /**
   * Watch the loop's epoll fd, and call the loop's `onWake` once, in a later turn of Node's loop,
   * when something is ready. Something may be ready already.
   */
  arm(): void;
  /** Whether the waiting holds the process open. */
  setHeld(held: boolean): void;
  /** The loop has a new epoll fd. */
  replace(epollFd: number): void;
  /** Stop for good. `onWake` is not called any more. */
  close(): void;
}
