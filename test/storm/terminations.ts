/**
 * Workers that use the package, each terminated at a random moment after it has said that it is ready;
 * run by main.ts. Arguments: how many, and the longest time to wait, in milliseconds.
 */
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { constants, EventLoop, sys, TcpServer, watch } from '../../src';

const { EFD_CLOEXEC, EFD_NONBLOCK } = constants;

async function main(count: number, longestMs: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    const worker = new Worker(__filename);
    await new Promise((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * longestMs));
    await worker.terminate();
  }
  console.log(`${count} terminated`);
}

/** Something of each kind: a counter that is always ready, one that never is, a server with a client. */
function work(): void {
  const never = sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  watch(never, { autoClose: true, loop: new EventLoop() });
  const server = new TcpServer({ port: 0 });
  server.on('connection', (connection) => connection.end('hello'));
  const counter = sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const buffer = new Uint8Array(8);
  watch(counter, () => void sys.read(counter, buffer));
  setInterval(() => sys.write(counter, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)), 2);
  parentPort?.postMessage('ready');
}

if (isMainThread) void main(Number(process.argv[2]), Number(process.argv[3]));
else work();
