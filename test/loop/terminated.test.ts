/** What a worker of ours has open ends with it, also when it is terminated in the middle of its work. */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ROOT } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next } from '../support/until';

expectNoFdLeaks();

const start = (way: string): Worker =>
  new Worker(join(ROOT, 'test/loop/programs/terminated.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
    workerData: way,
  });

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await next(socket, 'connect');
  socket.resume();
  return socket;
}

test.each([
  ['terminated', 'wait', 1],
  ['terminated in an endless loop', 'spin', 1],
  ['that calls process.exit', 'exit', 7],
])('a worker %s leaves no fd, and its peers get an end', async (_name, way, code) => {
  const worker = start(way);
  const exited = next<[number]>(worker, 'exit');
  const [port] = await next<[number]>(worker, 'message');
  const socket = await connected(port);
  const closed = next(socket, 'close');
  socket.on('error', () => {});
  socket.write('go');
  await next(worker, 'message');
  if (way !== 'exit') void worker.terminate();
  expect(await exited).toEqual([code]);
  await closed;
});
