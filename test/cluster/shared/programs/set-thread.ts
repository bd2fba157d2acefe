/** A thread of threads.test.ts: waits on the shared set and serves what comes. */
import { parentPort, workerData } from 'node:worker_threads';
import { SharedSet } from '../../../../src/cluster/shared/shared-set';
import { acceptAll, echo, FIELD, KIND, type ThreadData } from './rig';

const { handle, way, maxEvents, counters } = workerData as ThreadData;
const set = SharedSet.open(handle, { maxEvents });
let served = 0;

function serve(slot: number): void {
  if (set.integers(slot)[FIELD.kind] === KIND.listener) {
    acceptAll(set, set.fdOf(slot), counters);
    if (set.oneshot) set.rearm(slot);
    return;
  }
  if (way === 'hold') {
    parentPort?.postMessage('holding');
    for (;;);
  }
  const isOpen = echo(set, slot, counters);
  served += 1;
  // Nobody could know that no other thread has it: it is closed with the set.
  if (!set.oneshot) return;
  if (isOpen) set.rearm(slot);
  else set.destroy(slot);
}

function turn(): void {
  const ready = set.wait();
  for (let index = 0; index < ready.length; index += 1) serve(ready.slot(index));
  if (!set.stopped) return void setImmediate(turn);
  set.close();
  parentPort?.postMessage({ served });
}

parentPort?.postMessage('ready');
if (way === 'idle') parentPort?.once('message', () => set.close());
else turn();
