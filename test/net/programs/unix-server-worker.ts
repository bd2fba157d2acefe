/**
 * An echo server at the path in `workerData`, in a worker thread; run by unix-server.test.ts. Posts
 * when it listens, and ends with its first connection.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { EventLoop } from '../../../src/loop/event-loop';
import { UnixServer } from '../../../src/net/server/unix-server';

const loop = new EventLoop({ waiter: 'inline', maxInlineWaitMs: 50 });
const server = new UnixServer({ path: workerData as string, loop });
server.on('connection', (connection) => {
  server.close();
  connection.on('data', (chunk) => connection.write(chunk));
});
server.on('close', () => loop.close());
parentPort?.postMessage('listening');
