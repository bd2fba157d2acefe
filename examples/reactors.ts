/**
 * Reactors: a server on all cores. Each thread has an event loop of its own and answers its own clients.
 *
 * This file is both: the program that starts the pool, and the module that each thread runs. A thread counts
 * its lines and sends a message to the pool at each tenth one; the pool sends the sum of all threads back to
 * each, which writes it to its clients. A line `crash` ends its thread, which is replaced.
 *
 *   run    npx ts-node examples/reactors.ts                 (PORT=7030 THREADS=4 ACCEPT=exclusive)
 *   then   nc 127.0.0.1 7030, in several terminals: type lines, and `crash`; kill -HUP the program; Ctrl-C
 *   see    the number of the thread before each line, the sums of all threads at each tenth, and the statistics
 *          when all ends; HUP replaces the threads one by one, and clients connect meanwhile as before
 *   end    Ctrl-C: open connections have two seconds, then the sums are printed
 */
import { isMainThread } from 'node:worker_threads';
import { type AcceptStrategy, type Reactor, ReactorPool, TcpServer } from '../src';

const REPORT_EVERY = 10;

/** In each thread. */
export function start(reactor: Reactor<unknown, number, number>): void {
  const server = new TcpServer({ listener: reactor.listener });
  let lines = 0;
  reactor.on('message', (sum) => {
    for (const connection of server.connections) connection.write(`all threads: ${sum} lines\n`);
  });
  server.on('connection', (connection) => {
    connection.on('data', (chunk) => {
      if (chunk.toString().trim() === 'crash') throw new Error('a client asked for it');
      lines += 1;
      connection.write(`thread ${reactor.index}: ${chunk}`);
      if (lines % REPORT_EVERY === 0) reactor.postMessage(lines);
    });
  });
}

async function main(): Promise<void> {
  const pool = new ReactorPool<unknown, number, number>({
    module: __filename,
    threads: Number(process.env['THREADS'] ?? 4),
    listen: { port: Number(process.env['PORT'] ?? 7030) },
    accept: (process.env['ACCEPT'] ?? 'exclusive') as AcceptStrategy,
    // Each thread compiles this anew, when it is run by ts-node.
    startTimeoutMs: 120_000,
  });
  let sum = 0;
  pool.on('message', (lines, index) => {
    console.log(`thread ${index} has answered ${lines} lines`);
    sum += REPORT_EVERY;
    pool.broadcast(sum);
  });
  pool.on('crash', (error, index) => console.log(`thread ${index} crashed: ${error.message}`));
  pool.on('online', (index) => console.log(`thread ${index} runs`));
  await pool.start();
  console.log(`${pool.threads} threads are listening at 127.0.0.1:${pool.port}`);

  process.on('SIGHUP', () => {
    void pool.restart({ deadlineMs: 2_000 }).then(() => console.log('all threads are replaced'));
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      const { accepted, events, wakeUps, crashes } = await pool.stats();
      const { ended, cut } = await pool.stop({ deadlineMs: 2_000 });
      console.log(
        `accepted ${accepted}, events ${events}, wake-ups ${wakeUps}, crashes ${crashes}`,
      );
      console.log(`at the end ${ended} connections finished, ${cut} were cut`);
    });
  }
}

if (isMainThread) void main();
