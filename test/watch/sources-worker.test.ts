import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EventFd } from '../../src/watch/sources/event-fd';
import { ROOT } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next, until } from '../support/until';

expectNoFdLeaks();

test('sources work in a Worker, and an EventFd hears what another thread adds by its number', async () => {
  using counter = new EventFd();
  let sum = 0n;
  counter.on('count', (count) => {
    sum += count;
  });
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const ended = next(child, 'close');
  const worker = new Worker(join(ROOT, 'test/watch/programs/sources-worker.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
    workerData: { counterFd: counter.fd, pid: child.pid },
  });
  const [report] = await next(worker, 'message');
  expect(report).toEqual({ counted: [7n], expirations: 1, exited: child.pid, closed: true });
  expect(await ended).toEqual([null, 'SIGKILL']);
  await until(() => sum === 1_000n);
  // Nothing is left that would hold it.
  expect(await next(worker, 'exit')).toEqual([0]);
});
