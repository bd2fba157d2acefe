/** EPOLLEXCLUSIVE, with threads that block: without them nobody is spared a wake-up. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as c from '../../src/sys/constants';
import { write } from '../../src/sys/io';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { counter } from '../support/fds';
import { testWith } from '../support/requires';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next, until } from '../support/until';

expectNoFdLeaks();
// Processes and workers start within a second, on a busy machine within many.
jest.setTimeout(60_000);

/** A thread of exclusive.ts, and what it has said. */
interface Waiting {
  thread: string;
  epfd: number;
  count?: number;
}

/** The first argument of the system call that a thread of ours is in; null where /proc has it not. */
function argumentOf(thread: string): number | null {
  try {
    const words = readFileSync(`/proc/self/task/${thread}/syscall`, 'utf8').split(' ');
    return Number(words[1]);
  } catch {
    return null;
  }
}

const threads: Worker[] = [];
afterEach(async () => {
  await Promise.all(threads.splice(0).map((worker) => worker.terminate()));
});

/** Three threads that wait for `fd`, all of them in the kernel by now. */
async function waitingFor(fd: number, events: number): Promise<Waiting[]> {
  const all = [1, 2, 3].map(() => {
    const worker = new Worker(join(__dirname, 'programs/exclusive.ts'), {
      execArgv: [...RUNS_TYPESCRIPT],
      workerData: { fd, events },
    });
    threads.push(worker);
    const waiting: Waiting = { thread: '', epfd: -1 };
    worker.on('message', (news) => Object.assign(waiting, news));
    return waiting;
  });
  await until(() => all.every(({ thread, epfd }) => thread && argumentOf(thread) === epfd));
  return all;
}

function add(fd: number): void {
  expect(write(fd, new Uint8Array(new BigUint64Array([1n]).buffer))).toBe(8);
}

const isTold = argumentOf(String(process.pid)) !== null;
const testBlocked = testWith(isTold ? '/proc' : null, '/proc/PID/syscall');

testBlocked('an exclusive member wakes one thread at a time', async () => {
  const fd = counter();
  const all = await waitingFor(fd, c.EPOLLIN | c.EPOLLEXCLUSIVE);
  for (const woken of [1, 2, 3]) {
    const exits = threads.map((worker) => next(worker, 'exit'));
    add(fd);
    // It is gone: the others had the time to be woken with it.
    await Promise.race(exits);
    expect(all.filter(({ count }) => count === 1)).toHaveLength(woken);
    const asleep = all.filter(({ count }) => count === undefined);
    expect(asleep.map(({ thread }) => argumentOf(thread))).toEqual(asleep.map(({ epfd }) => epfd));
    threads.splice(0, threads.length, ...threads.filter(({ threadId }) => threadId !== -1));
  }
});

testBlocked('any other wakes them all', async () => {
  const fd = counter();
  const all = await waitingFor(fd, c.EPOLLIN);
  add(fd);
  await until(() => all.every(({ count }) => count === 1));
});
