/** EPOLLEXCLUSIVE in the loop of a worker, to its end: events, modify, remove, and the loop that closes. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ROOT } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next } from '../support/until';

expectNoFdLeaks();

test.each(['thread', 'libuv', 'inline'])('waiter %s', async (waiter) => {
  const worker = new Worker(join(ROOT, 'test/loop/programs/exclusive.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
    workerData: { waiter },
  });
  const steps: unknown[] = [];
  worker.on('message', (step) => steps.push(step));
  expect(await next(worker, 'exit')).toEqual([0]);
  expect(steps).toEqual([
    ['events', 3],
    ['modify', 'EINVAL'],
    ['removed', 3],
    ['revoked', 'ERR_LOOP_CLOSED'],
  ]);
});
