/** A thread of shared-queue.test.ts: puts numbers into a queue, or takes them until it gets -1. */
import { parentPort, workerData } from 'node:worker_threads';
import { SharedQueue } from '../../../../src/cluster/shared/shared-queue';

const { handle, way, first, count } = workerData as {
  handle: { memory: SharedArrayBuffer };
  way: 'push' | 'take';
  first: number;
  count: number;
};
const queue = SharedQueue.open(handle);
const taken: number[] = [];

function push(): void {
  for (let value = first; value < first + count; ) if (queue.push(value)) value += 1;
}

function take(): void {
  for (;;) {
    const value = queue.take();
    if (value === -1) return;
    if (value !== undefined) taken.push(value);
  }
}

if (way === 'push') push();
else take();
parentPort?.postMessage(taken);
