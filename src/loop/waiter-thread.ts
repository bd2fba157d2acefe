/**
 * The body of a waiter thread: block in epoll_wait(2), post the number of the ready loop, wait
 * again.
 *
 * It runs in its own worker, shares only the number of an epoll fd with the loops, and takes no
 * events: the members of its set are the loops' epoll fds, registered one-shot. It imports only
 * what it needs: until koffi is loaded and all functions are declared, the thread must not be ended
 * from outside, and the end of the process waits for it (see waiter-pool.ts).
 */
import { parentPort, workerData } from 'node:worker_threads';
import { markLoaded } from '../base/loading-threads';
import { createEventBuffer, EVENT_DATA_LOW_WORD, EVENT_WORDS } from '../sys/abi';
import { epollWait } from '../sys/epoll';
import { errno, unwrap } from '../sys/errno';
import { READY, STOP, type WaiterThreadData } from './waiter-protocol';

const { EINTR } = errno;

/**
 * The longest wait. `worker.terminate()` of a thread that is blocked in C takes effect when the
 * call returns, so terminating may take this long.
 */
const MAX_WAIT_MS = 500;
const MAX_EVENTS = 64;

const { superFd, progress } = workerData as WaiterThreadData;
markLoaded(progress);

const events = createEventBuffer(MAX_EVENTS);

function wait(): void {
  const count = epollWait(superFd, events, MAX_EVENTS, MAX_WAIT_MS);
  // SIGSTOP and SIGCONT interrupt the wait also in a thread that handles no signals.
  if (count !== -EINTR) unwrap(count, 'epoll_wait', { fd: superFd });
  for (let index = 0; index < count; index += 1) {
    const id = events[index * EVENT_WORDS + EVENT_DATA_LOW_WORD] as number;
    if (id === STOP) return;
    parentPort?.postMessage(id);
  }
  // Through Node's loop, not a `while`: a loop around a C call never sees terminate().
  setImmediate(wait);
}

parentPort?.postMessage(READY);
wait();
