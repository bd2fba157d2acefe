/**
 * A worker of exclusive-worker.test.ts: its loop watches an eventfd with EPOLLEXCLUSIVE, in the way that it is
 * given, and reports its steps.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { constants, EventLoop, sys } from '../../../src';

const { EFD_CLOEXEC, EFD_NONBLOCK, EPOLLEXCLUSIVE, EPOLLIN } = constants;

const bytes = new Uint8Array(8);
const report = (step: unknown): void => parentPort?.postMessage(step);
const loop = new EventLoop({ waiter: (workerData as { waiter: 'thread' | 'inline' }).waiter });
const fd = sys.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
const other = sys.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

function ring(target: number): void {
  sys.write(target, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
}

let events = 0;
const registration = loop.add(fd, EPOLLIN | EPOLLEXCLUSIVE, {
  onEvents: () => {
    sys.read(fd, bytes);
    events += 1;
    if (events < 3) return ring(fd);
    report(['events', events]);
    try {
      registration.modify(EPOLLIN);
    } catch (error) {
      report(['modify', (error as NodeJS.ErrnoException).code]);
    }
    registration.remove();
    // The event that must not come lies before one that does.
    ring(fd);
    ring(other);
  },
  onRevoked: () => report(['revoked', 'too late']),
});

loop.add(other, EPOLLIN | EPOLLEXCLUSIVE, {
  onEvents: () => {
    sys.read(other, bytes);
    report(['removed', events]);
    setImmediate(() => loop.close());
  },
  onRevoked: (reason) => {
    report(['revoked', (reason as NodeJS.ErrnoException).code]);
    sys.close(fd);
    sys.close(other);
  },
});

// Node's own loop has come round, so it sleeps, and is woken.
setImmediate(() => setImmediate(() => ring(fd)));
