import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

const matrix = [
  { way: 'exit', what: 'process.exit(3)', code: 3 },
  { way: 'throw', what: 'an uncaught exception', code: 1 },
  { way: 'natural', what: 'the end of the last watcher', code: 0 },
  { way: 'unref', what: 'a watcher that is unref’ed and alone', code: 0 },
  { way: 'ready', what: 'the end with an unref’ed watcher that is ready', code: 0 },
  { way: 'handledSignal', what: 'SIGTERM with a handler that exits', code: 5, kill: true },
  { way: 'signal', what: 'SIGTERM without a handler', code: null, kill: true },
  { way: 'terminate', what: 'worker.terminate() of a worker with a loop', code: 0 },
  { way: 'terminateReady', what: 'worker.terminate() of a busy worker', code: 0 },
];

const waiters = ['thread', 'libuv'] as const;

test.each(waiters.flatMap((waiter) => matrix.map((one) => ({ waiter, ...one }))))(
  '$what ends the process, with the waiter $waiter',
  async ({ waiter, way, code, kill }) => {
    const child = runTs('test/loop/programs/exit-matrix.ts', { args: [way, waiter] });
    await child.printed(/ready/);
    if (kill) child.kill('SIGTERM');
    // A process that hangs fails this test by its time limit.
    expect(await child.exit()).toEqual({ code, signal: code === null ? 'SIGTERM' : null });
  },
);
