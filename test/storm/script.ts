/**
 * A short script that uses the package, and ends in the way and at the time its arguments say; run by
 * main.ts, a great many times.
 *
 * Arguments: the way; milliseconds after the start of the script, or `waiting` for when the waiter
 * thread blocks; the waiter of the loop.
 */
import { constants, EventLoop, sys, watch } from '../../src';
import { waiterThreads } from '../../src/loop/waiter-pool';

const { EFD_CLOEXEC, EFD_NONBLOCK } = constants;
const [, , way = '', when = '', waiter = 'thread'] = process.argv;
const loop = new EventLoop({ waiter: waiter as 'thread' | 'libuv' });
const watcher = watch(sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), { loop, autoClose: true });

const ways: Record<string, () => void> = {
  close: () => watcher.close(),
  closeLoop: () => loop.close(),
  unref: () => watcher.unref(),
  exit: () => process.exit(),
  throw: () => {
    throw new Error('not caught');
  },
  reject: () => void Promise.reject(new Error('not handled')),
  exitInExit: () => {
    process.once('exit', () => process.exit());
    process.exit();
  },
  throwInExit: () => {
    process.once('exit', () => {
      throw new Error('not caught');
    });
    watcher.close();
  },
};

function end(): void {
  ways[way]?.();
}

function endWhenWaiting(): void {
  if (waiterThreads().some(({ state }) => state === 'waiting')) end();
  else setTimeout(endWhenWaiting, 5);
}

if (when === 'waiting') endWhenWaiting();
else setTimeout(end, Number(when));
