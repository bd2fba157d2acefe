/**
 * A worker of in-workers.test.ts, which is terminated when it has said "now": what it is given is the
 * moment at which it says so.
 */
import { Socket } from 'node:net';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { constants, EventLoop, sys, Waker } from '../../../src';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';

const { EPOLLIN, O_CLOEXEC, O_NONBLOCK } = constants;

const waker = new Waker();
const now = (): void => parentPort?.postMessage('now');

/** A loop that waits, with a watcher that calls `onWake`. */
function waits(onWake = (): void => {}): EventLoop {
  const loop = new EventLoop();
  const onEvents = (): void => {
    waker.drain();
    onWake();
  };
  loop.add(waker.fd, EPOLLIN, { onEvents, onRevoked: () => {} });
  return loop;
}

/** Node's loop has slept while ours waited, so it can be rung. */
function whenArmed(loop: EventLoop, then: () => void): void {
  if (loop.stats().handovers > 1) return then();
  setTimeout(() => {
    waker.wake();
    whenArmed(loop, then);
  }, 30);
}

const moments: Record<string, () => void> = {
  /** Its loop sleeps. */
  armed: () => whenArmed(waits(), () => setTimeout(now, 20)),
  /** libuv has taken the event, and JavaScript does not come to our look any more. */
  between() {
    const ends = new Int32Array(2);
    sys.pipe2(ends, O_CLOEXEC | O_NONBLOCK);
    const [readFd, writeFd] = ends as unknown as [number, number];
    new Socket({ fd: readFd }).on('data', () => {
      now();
      for (;;);
    });
    whenArmed(waits(), () =>
      setTimeout(() => {
        // Both are in the next batch of libuv's.
        waker.wake();
        sys.write(writeFd, Uint8Array.of(1));
        sys.close(writeFd);
      }, 20),
    );
  },
  /** In the midst of a handler. */
  handling() {
    waits(() => {
      now();
      for (;;);
    });
    setTimeout(() => waker.wake(), 20);
  },
  /** A worker of the worker waits as well. */
  nested() {
    waits();
    const options = { execArgv: [...RUNS_TYPESCRIPT], workerData: 'armed' };
    new Worker(__filename, options).once('message', now);
  },
};

moments[workerData as string]?.();
