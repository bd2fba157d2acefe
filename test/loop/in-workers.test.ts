/** Loops in workers that are terminated at the moments that matter. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ROOT } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next } from '../support/until';

expectNoFdLeaks();

test.each([
  ['its loop sleeps', 'armed'],
  ['libuv has taken an event that the loop has not looked at', 'between'],
  ['a handler runs', 'handling'],
  ['it and a worker of its own wait', 'nested'],
])('a worker that is terminated while %s ends, and leaves no fd', async (_name, moment) => {
  const worker = new Worker(join(ROOT, 'test/loop/programs/in-workers.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
    workerData: moment,
  });
  expect(await next(worker, 'message')).toEqual(['now']);
  expect(await worker.terminate()).toBe(1);
});
