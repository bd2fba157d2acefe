/**
 * One way for a process with a waiting loop to end; run by exit-matrix.test.ts. Prints "ready" when
 * the waiter thread blocks, and then ends in the way its argument says.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Waker } from '../../../src/epoll/waker';
import { defaultLoop } from '../../../src/loop/default-loop';
import { EventLoop } from '../../../src/loop/event-loop';
import { waiterThreads } from '../../../src/loop/waiter-pool';
import { EPOLLIN } from '../../../src/sys/constants';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { until } from '../../support/until';

const waker = new Waker();
const waiter = process.argv[3];
const loop = waiter === 'libuv' ? new EventLoop({ waiter }) : defaultLoop();
const registration = loop.add(waker.fd, EPOLLIN, {
  onEvents: () => waker.drain(),
  onRevoked: () => {},
});

const threadsWait = (): boolean =>
  waiterThreads().length > 0 && waiterThreads().every(({ state }) => state === 'waiting');
const waiting = (): Promise<void> =>
  until(() => loop.stats().handovers > 0 && (waiter === 'libuv' || !isMainThread || threadsWait()));

const ways: Record<string, () => unknown> = {
  exit: () => process.exit(3),
  throw: () =>
    setImmediate(() => {
      throw new Error('not caught');
    }),
  natural: () => registration.remove(),
  unref: () => registration.unref(),
  ready: () => {
    registration.unref();
    process.on('exit', () => waker.wake());
  },
  signal: () => {},
  handledSignal: () => {},
};

async function main(): Promise<void> {
  const way = process.argv[2] as string;
  if (way === 'handledSignal') process.on('SIGTERM', () => process.exit(5));
  if (way.startsWith('terminate')) return terminate(way);
  await waiting();
  console.log('ready');
  ways[way]?.();
}

/** A worker with a loop of its own is terminated. */
async function terminate(way: string): Promise<void> {
  registration.remove();
  const worker = new Worker(__filename, {
    execArgv: [...RUNS_TYPESCRIPT],
    argv: process.argv.slice(2),
    workerData: way,
  });
  await new Promise((resolve) => worker.once('message', resolve));
  console.log('ready');
  await worker.terminate();
}

/** Of a worker: something becomes ready while JavaScript is busy, until the worker is terminated. */
function stayBusy(): void {
  waker.wake();
  for (;;);
}

async function work(): Promise<void> {
  await waiting();
  parentPort?.postMessage('waiting');
  if (workerData === 'terminateReady') setImmediate(stayBusy);
}

if (isMainThread) void main();
else void work();
