/** A worker with a pool of its own, which reports the answer of a reactor, or is terminated with it. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { ReactorPool } from '../../../src/cluster';

async function main(): Promise<void> {
  const pool = new ReactorPool({
    module: join(__dirname, 'pool-tags.ts'),
    threads: 2,
    listen: { port: 0 },
    accept: workerData as 'exclusive' | 'single',
  });
  await pool.start();
  const socket = connect(pool.port as number, '127.0.0.1', () => socket.write('nested'));
  socket.on('data', async (chunk) => {
    parentPort?.postMessage(chunk.toString());
    parentPort?.once('message', async () => {
      socket.destroy();
      await pool.stop({ deadlineMs: 0 });
    });
  });
}

void main();
