/**
 * Takes SIGUSR1 from a SignalFd; run by signal-fd.test.ts. Prints each record, and at "later" on its
 * stdin starts what has threads of its own. Closes at "close", with a signal pending, and says what
 * is blocked then.
 */
import { spawnSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { SignalFd } from '../../../src/watch/sources/signal-fd';

const blocked = (): string =>
  /SigBlk:\s*(\S+)/.exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[1] ?? '';

const first = new SignalFd(['SIGUSR1']);
const source = new SignalFd([10, 'SIGUSR1']);
first.close();
source.on('signal', (info) => console.log(JSON.stringify(info)));
console.log(`blocked ${blocked()}`);

createInterface(process.stdin).on('line', (line) => {
  if (line === 'later') later();
  else close();
});

function later(): void {
  const worker = new Worker('require("node:worker_threads").parentPort.postMessage("up")', {
    eval: true,
  });
  worker.once('message', () => pbkdf2('a', 'b', 1, 1, 'sha1', () => console.log('more threads')));
}

function close(): void {
  source.removeAllListeners('signal');
  process.kill(process.pid, 'SIGUSR1');
  source.close();
  console.log(`unblocked ${blocked()}`);
  const { stdout } = spawnSync('grep', ['SigBlk', '/proc/self/status'], { encoding: 'utf8' });
  console.log(`child ${stdout.trim()}`);
  process.stdin.destroy();
}
