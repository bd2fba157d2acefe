import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

/** How long the end of a process may take, once it has begun. */
const LIMIT_MS = 2_000;
/** One end in time proves that nothing hangs; the machine may have other things to do as well. */
const ATTEMPTS = 3;

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
    let best = Infinity;
    for (let attempt = 0; best >= LIMIT_MS && attempt < ATTEMPTS; attempt += 1) {
      const child = runTs('test/loop/programs/exit-matrix.ts', { args: [way, waiter] });
      await child.printed(/ready/);
      const start = performance.now();
      if (kill) child.kill('SIGTERM');
      const exit = await child.exit();
      best = Math.min(best, performance.now() - start);
      expect(exit).toEqual({ code, signal: code === null ? 'SIGTERM' : null });
    }
    expect(best).toBeLessThan(LIMIT_MS);
  },
);
