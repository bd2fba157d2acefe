/**
 * A client in a worker thread; run by connect.test.ts. Posts what `port` has echoed and ends; or,
 * given a `count`, begins so many connections that nobody answers, and waits for them.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { defaultLoop } from '../../../src/loop/default-loop';
import { connect } from '../../../src/net/client/connect';

const { port, count = 0 } = workerData as { port: number; count?: number };

async function talk(): Promise<void> {
  const connection = await connect({ port, connectTimeoutMs: 20_000 });
  connection.on('data', (chunk) => {
    parentPort?.postMessage(chunk.toString());
    connection.end();
  });
  connection.on('close', () => defaultLoop().close());
  connection.write('echo');
}

if (count === 0) {
  void talk();
} else {
  for (let index = 0; index < count; index += 1) void connect({ port });
  parentPort?.postMessage('connecting');
}
