/** Ends a reader and a writer on its own stdin and stdout, then opens much; run by stdio.test.ts. */
import { fstatSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { isMainThread, Worker } from 'node:worker_threads';
import { closeOwned, own } from '../../../src/sys/ownership';
import { FdReader } from '../../../src/watch/stream/fd-reader';
import { FdWriter } from '../../../src/watch/stream/fd-writer';

async function main(): Promise<void> {
  new FdReader(0).close();
  const writer = new FdWriter(1);
  writer.end('written\n');
  const worker = new Worker(__filename, { execArgv: process.execArgv });
  await new Promise((resolve) => worker.once('exit', resolve));
  for (const fd of [0, 1, 2]) fstatSync(fd);
  // Of these, libuv would close one with such a number, and abort.
  const server = createServer((socket) => socket.end()).listen(0);
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const closed = [1, 2, 3].map(() => {
    const socket = connect(port).resume();
    return new Promise((resolve) => socket.once('close', () => resolve(null)));
  });
  await Promise.all(closed);
  server.close();
  console.error('0 to 2 are open');
}

if (isMainThread) void main();
else {
  for (const fd of [0, 1, 2]) own(fd);
  closeOwned(2);
}
