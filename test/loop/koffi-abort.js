/**
 * Terminates workers that declare functions with koffi, and has nothing of ours; run by
 * koffi-abort.test.ts. Aborted at the first such worker, or prints how many were terminated.
 */
const { Worker, isMainThread, parentPort } = require('node:worker_threads');

const WORKERS = 10;

async function main() {
  for (let count = 0; count < WORKERS; count += 1) {
    const worker = new Worker(__filename);
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
  }
  console.log(`${WORKERS} terminated`);
}

/** Until it is terminated. Many parameters, so that nearly all of the time is spent in koffi. */
function declareForever() {
  const library = require('koffi').load(null);
  const parameters = Array(60).fill('int');
  parentPort.postMessage('declaring');
  for (;;) library.func('getpid', 'int', parameters);
}

if (isMainThread) void main();
else declareForever();
