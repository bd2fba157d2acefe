/** Runs one case of test/watch/programs/files-worker.ts in a worker thread. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ROOT } from './child';
import { RUNS_TYPESCRIPT } from './runs-typescript';

/** The text that the case `name` ends with. Waits until the worker is gone. */
export function runInWorker(name: string, argument = ''): Promise<unknown> {
  const worker = new Worker(join(ROOT, 'test/watch/programs/files-worker.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
    workerData: { name, argument },
  });
  return new Promise((resolve, reject) => {
    let answer: unknown;
    worker.once('message', (message) => {
      answer = message;
    });
    worker.once('error', reject);
    worker.once('exit', () => resolve(answer));
  });
}
