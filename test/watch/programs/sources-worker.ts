/**
 * The sources on the default loop of a Worker; run by sources-worker.test.ts, which gives the fd of
 * an EventFd of its own, and a process. Posts what each source told.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { defaultLoop } from '../../../src/loop/default-loop';
import { write } from '../../../src/sys/io';
import { EventFd } from '../../../src/watch/sources/event-fd';
import { PidFd } from '../../../src/watch/sources/pid-fd';
import { TimerFd } from '../../../src/watch/sources/timer-fd';
import { next } from '../../support/until';

const { counterFd, pid } = workerData as { counterFd: number; pid: number };

async function main(): Promise<void> {
  const exits = new PidFd(pid);
  const exited = next<[{ pid: number }]>(exits, 'exit');
  // Add to the counter of the main thread, by number.
  const one = new Uint8Array(new BigUint64Array([1n]).buffer);
  for (let count = 0; count < 1_000; count += 1) write(counterFd, one);

  using own = new EventFd();
  own.add(7);
  const counted = await next(own, 'count');
  using timer = new TimerFd({ delayMs: 1 });
  const [{ expirations }] = await next<[{ expirations: number }]>(timer, 'timeout');
  exits.kill('SIGKILL');
  const [exit] = await exited;
  defaultLoop().close();
  parentPort?.postMessage({ counted, expirations, exited: exit.pid, closed: exits.closed });
}

void main();
