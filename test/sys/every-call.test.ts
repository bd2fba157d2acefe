import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as sys from '../../src/sys';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next } from '../support/until';
import { callEach } from './programs/every-call';

expectNoFdLeaks();
// Processes and workers start within a second, on a busy machine within many.
jest.setTimeout(60_000);

/** What the oldest kernels we run on do not have; tests of their own. */
const YOUNG = ['epollPwait2', 'pidfdExitStatus'];

const ALL = Object.entries(sys)
  .filter(([name, member]) => typeof member === 'function' && /^[a-z]/.test(name))
  .map(([name]) => name)
  .filter((name) => !YOUNG.includes(name))
  .sort();

test('every function works in the main thread', () => {
  expect(callEach()).toEqual(ALL);
});

test('every function works in a worker', async () => {
  const worker = new Worker(join(__dirname, 'programs/every-call.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
  });
  const exit = next(worker, 'exit');
  const failed = next(worker, 'error').then(([error]) => Promise.reject(error));
  expect(await Promise.race([next(worker, 'message'), failed])).toEqual([ALL]);
  expect(await exit).toEqual([0]);
});
