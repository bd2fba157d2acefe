/** A worker with a task scheduler, on an inline loop; it is terminated by the test. */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { EventLoop, TaskScheduler } from '../../../src';

const word = (): Int32Array => new Int32Array(new SharedArrayBuffer(4));

async function main(name: string): Promise<void> {
  const loop = new EventLoop({ waiter: 'inline', maxInlineWaitMs: 5 });
  const tasks = new TaskScheduler({ module: join(__dirname, 'tasks.ts'), threads: 1, loop });
  const begun = word();
  const running = tasks.run({ begun, gate: word() }, { name });
  if (name === 'run') await running;
  else while (Atomics.load(begun, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
  // Lives until it is terminated.
  parentPort?.on('message', () => {});
  parentPort?.postMessage('begun');
}

void main(workerData);
