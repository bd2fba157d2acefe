/**
 * Reactors as a server: this file is the program that starts the pool, and the module of its threads.
 * Usage: reactors.ts echo|close THREADS ACCEPT WAITER; `close` closes each client at once. Prints its port,
 * and for each line on stdin the pool's statistics. No thread measures its lag: it would wake for that.
 */
import { createInterface } from 'node:readline';
import { isMainThread } from 'node:worker_threads';
import {
  type AcceptStrategy,
  type Reactor,
  ReactorPool,
  type ReactorPoolOptions,
  TcpServer,
} from '../../../src';

export function start({ listener, data }: Reactor): void {
  if (data === 'close') {
    new TcpServer({ listener }).on('connection', (connection) => connection.destroy());
    return;
  }
  new TcpServer({
    listener,
    handler: {
      onData(connection, chunk) {
        connection.write(chunk);
      },
    },
  });
}

async function main(): Promise<void> {
  const [data = '', threads, accept, waiter] = process.argv.slice(2);
  const pool = new ReactorPool({
    module: __filename,
    threads: Number(threads),
    listen: { port: 0 },
    accept: accept as AcceptStrategy,
    waiter: waiter as NonNullable<ReactorPoolOptions['waiter']>,
    lagResolutionMs: 0,
    data,
  });
  await pool.start();
  console.log(pool.port);
  createInterface({ input: process.stdin }).on('line', async () => {
    console.log(JSON.stringify(await pool.stats()));
  });
}

if (isMainThread) void main();
