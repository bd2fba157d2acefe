/** Runs two-copies.ts in a worker; in a process of its own, which would abort. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';

const worker = new Worker(join(__dirname, 'two-copies.ts'), {
  execArgv: [...RUNS_TYPESCRIPT],
});
worker.once('message', (isSame) => console.log(`same number ${isSame}`));
