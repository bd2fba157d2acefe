/**
 * Signals that come during a wait; run by signals.test.ts. A thread waits until the main thread is
 * about to block, sends SIGUSR2 to the process again and again, and then makes an eventfd readable.
 * So a wait that a signal ends has no event, and one that is not disturbed has one. Prints for each
 * case what the wait returned, and how often the listener had run before and after Node's turn.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Epoll } from '../../../src/epoll/epoll';
import { pollFds, selectFds } from '../../../src/epoll/poll';
import { Waker } from '../../../src/epoll/waker';
import { EPOLLIN, POLLIN } from '../../../src/sys/constants';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';

type Wait = (epoll: Epoll, fd: number) => number;

const SIGNALS = 20;
const TIMEOUT_MS = 10_000;

const CASES: Record<string, Wait> = {
  wait: (epoll) => epoll.wait({ timeoutMs: TIMEOUT_MS }).length,
  'wait with a fraction': (epoll) => epoll.wait({ timeoutMs: TIMEOUT_MS + 0.5 }).length,
  'wait without signals': (epoll) =>
    epoll.wait({ timeoutMs: TIMEOUT_MS, signalMask: ['SIGUSR2'] }).length,
  'wait with a fraction, without signals': (epoll) =>
    epoll.wait({ timeoutMs: TIMEOUT_MS + 0.5, signalMask: ['SIGUSR2'] }).length,
  'wait without other signals': (epoll) =>
    epoll.wait({ timeoutMs: TIMEOUT_MS, signalMask: ['SIGUSR1'] }).length,
  pollFds: (_epoll, fd) => pollFds([{ fd, events: POLLIN }], { timeoutMs: TIMEOUT_MS }).length,
  'pollFds without signals': (_epoll, fd) =>
    pollFds([{ fd, events: POLLIN }], { timeoutMs: TIMEOUT_MS, signalMask: ['SIGUSR2'] }).length,
  selectFds: (_epoll, fd) => selectFds({ readable: [fd], timeoutMs: TIMEOUT_MS }).readable.length,
};

async function main(): Promise<void> {
  let heard = 0;
  process.on('SIGUSR2', () => {
    heard += 1;
  });
  const results: Record<string, unknown> = {};
  for (const [name, wait] of Object.entries(CASES)) {
    using waker = new Waker();
    using epoll = new Epoll();
    epoll.add(waker.fd, EPOLLIN);
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(__filename, {
      execArgv: [...RUNS_TYPESCRIPT],
      workerData: { fd: waker.fd, gate },
    });
    await new Promise((resolve) => worker.once('message', resolve));
    heard = 0;
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    const events = wait(epoll, waker.fd);
    const before = heard;
    await new Promise((resolve) => worker.once('exit', resolve));
    while (heard === 0) await sleep(1);
    results[name] = { events, before, isHeard: heard > 0 };
  }
  console.log(JSON.stringify(results));
  process.exit(0);
}

function sender({ fd, gate }: { fd: number; gate: Int32Array }): void {
  parentPort?.postMessage('ready');
  Atomics.wait(gate, 0, 0);
  for (let count = 0; count < SIGNALS; count += 1) {
    Atomics.wait(gate, 0, 1, 5);
    process.kill(process.pid, 'SIGUSR2');
  }
  Waker.fromFd(fd).wake();
}

if (isMainThread) void main();
else sender(workerData);
