import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Epoll } from '../../src/epoll/epoll';
import type { SystemError } from '../../src/sys/errno';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next } from '../support/until';

expectNoFdLeaks();
// Processes and workers start within a second, on a busy machine within many.
jest.setTimeout(60_000);

function busyPollHere(): unknown {
  using epoll = new Epoll();
  try {
    return epoll.busyPoll && 5;
  } catch (error) {
    return (error as SystemError).code;
  }
}

test('all of it works in a worker', async () => {
  const worker = new Worker(join(__dirname, 'programs/in-worker.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
  });
  const [[results]] = await Promise.all([next(worker, 'message'), next(worker, 'exit')]);
  expect(results).toEqual({
    sendfile: 6,
    ioctl: [0, 6],
    splice: 5,
    tee: true,
    dup3: true,
    lseek: 10,
    prlimit: [0, true],
    poll: 1,
    select: 1,
    waited: true,
    data: 2n ** 63n,
    text: 'worker',
    busyPoll: busyPollHere(),
  });
});
