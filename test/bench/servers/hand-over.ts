/**
 * Two reactors that send each other the same fds, so many at a time, for a while. Each hop is a hand-over: one
 * `sendFd`, one event `fd`. Usage: hand-over.ts COUNT WARM_UP_MS MEASURE_MS. Prints `measuring`, and then a
 * line of JSON: hand-overs a second, and the microseconds of one, a batch's time divided by its hand-overs.
 */
import { isMainThread } from 'node:worker_threads';
import { type Reactor, ReactorPool, sys } from '../../../src';

interface Setup {
  count: number;
  warmUpMs: number;
  measureMs: number;
}

export function start(reactor: Reactor<Setup, string, string>): void {
  if (reactor.index === 0) reactor.on('message', () => measure(reactor));
  else reactor.on('fd', (fd) => reactor.sendFd(fd, { to: 0 }));
}

/** Both reactors run. */
function measure(reactor: Reactor<Setup, string, string>): void {
  const { count, warmUpMs, measureMs } = reactor.data;
  const back: number[] = [];
  let eachUs: number[] = [];
  let began = performance.now();
  let until = began + warmUpMs;
  let isWarm = false;
  let sentAt = 0;

  const send = (): void => {
    sentAt = performance.now();
    for (const fd of back.splice(0)) reactor.sendFd(fd, { to: 1 });
  };
  const report = (now: number): void => {
    const rate = (eachUs.length * count * 2) / ((now - began) / 1e3);
    eachUs.sort((a, b) => a - b);
    const at = (share: number): number => eachUs[Math.floor((eachUs.length - 1) * share)] ?? 0;
    reactor.postMessage(JSON.stringify({ rate, p50Us: at(0.5), p99Us: at(0.99) }));
  };
  reactor.on('fd', (fd) => {
    back.push(fd);
    if (back.length < count) return;
    const now = performance.now();
    eachUs.push(((now - sentAt) * 1e3) / (2 * count));
    if (now >= until) {
      if (isWarm) return report(now);
      isWarm = true;
      reactor.postMessage('measuring');
      eachUs = [];
      began = performance.now();
      until = began + measureMs;
    }
    send();
  });
  for (let index = 0; index < count; index += 1) {
    back.push(sys.unwrap(sys.eventfd(0, sys.constants.EFD_CLOEXEC), 'eventfd'));
  }
  send();
}

async function main(): Promise<void> {
  const [count, warmUpMs, measureMs] = process.argv.slice(2).map(Number) as [
    number,
    number,
    number,
  ];
  const data: Setup = { count, warmUpMs, measureMs };
  const pool = new ReactorPool<Setup, string, string>({ module: __filename, threads: 2, data });
  pool.on('message', (line) => console.log(line));
  await pool.start();
  pool.postMessage(0, 'start');
}

if (isMainThread) void main();
