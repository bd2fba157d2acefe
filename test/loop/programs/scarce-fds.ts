/**
 * A loop in a process with so many fds left as its argument says; run by scarce-fds.test.ts. Its waiter
 * thread starts a hundred times sooner than it would. Prints the pauses before the starts, until the
 * longest one or until the thread waits; the number of warnings; and that the loop worked meanwhile.
 */
import { EventLoop } from '../../../src/loop/event-loop';
import { waiterThreads } from '../../../src/loop/waiter-pool';
import { EFD_CLOEXEC, EFD_NONBLOCK, EPOLLIN, RLIMIT_NOFILE } from '../../../src/sys/constants';
import { close, eventfd, read, write } from '../../../src/sys/io';
import { prlimit } from '../../../src/sys/resource-limit';

const FEWEST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 60_000;
const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

const room = Number(process.argv[2]);
const pauses: number[] = [];
let warnings = 0;
let events = 0;

process.on('warning', () => {
  warnings += 1;
});
const setRealTimeout = setTimeout;
globalThis.setTimeout = ((callback: () => void, ms = 0) => {
  if (ms < FEWEST_PAUSE_MS) return setRealTimeout(callback, ms);
  pauses.push(ms);
  return setRealTimeout(callback, ms / 100);
}) as typeof setTimeout;

function leave(count: number): number[] {
  const fillers: number[] = [];
  prlimit(0, RLIMIT_NOFILE, { soft: 200, hard: 200 }, null);
  for (let fd = 0; fd >= 0; ) {
    fd = eventfd(0, EFD_CLOEXEC);
    if (fd >= 0) fillers.push(fd);
  }
  for (const fd of fillers.splice(0, count)) close(fd);
  return fillers;
}

/** One event, from a timer of Node's, while the thread is as it is. */
async function works(loop: EventLoop, fd: number): Promise<void> {
  const buffer = new Uint8Array(8);
  await new Promise<void>((resolve) => {
    const registration = loop.add(fd, EPOLLIN, {
      onEvents: () => {
        read(fd, buffer);
        events += 1;
        registration.remove();
        resolve();
      },
      onRevoked: () => {},
    });
    setRealTimeout(() => write(fd, ONE), 2);
  });
}

async function main(): Promise<void> {
  const loop = new EventLoop();
  const fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const holder = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  loop.add(holder, EPOLLIN, { onEvents: () => {}, onRevoked: () => {} });
  console.log('ready');
  const fillers = leave(room);
  const waits = (): boolean => waiterThreads().some(({ state }) => state === 'waiting');
  while (!waits() && pauses.at(-1) !== LONGEST_PAUSE_MS) await works(loop, fd);
  await works(loop, fd);
  for (const filler of fillers) close(filler);
  console.log(JSON.stringify({ pauses, warnings, worked: events > 1, waits: waits() }));
  loop.close();
}

void main();
