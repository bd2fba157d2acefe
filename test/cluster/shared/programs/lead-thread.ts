/** A thread of leadership.test.ts: leads, counts, promotes, joins again. */
import { parentPort, workerData } from 'node:worker_threads';
import { Leadership } from '../../../../src/cluster/shared/leadership';

const { handle, way, words } = workerData as {
  handle: { memory: SharedArrayBuffer };
  way: string;
  words: Int32Array;
};
/** Words: leaders at this moment, the most at once beside one, leads so far. */
const [NOW, TOO_MANY, LEADS] = [0, 1, 2];
const leadership = Leadership.open(handle);
let leads = 0;

function lead(): void {
  if (Atomics.add(words, NOW, 1) !== 0) Atomics.add(words, TOO_MANY, 1);
  Atomics.add(words, LEADS, 1);
  leads += 1;
  if (way === 'hold') {
    // A leader that is dead by the time of the next one: its lead is over.
    Atomics.sub(words, NOW, 1);
    parentPort?.postMessage('leads');
    for (;;);
  }
  Atomics.sub(words, NOW, 1);
  leadership.promote();
}

function turn(): void {
  if (leadership.join()) lead();
  if (!leadership.stopped) return void setImmediate(turn);
  leadership.close();
  parentPort?.postMessage({ leads });
}

parentPort?.postMessage('ready');
turn();
