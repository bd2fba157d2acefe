/**
 * The thundering herd: how many threads wake for one client, and who serves it, for each way to accept.
 *
 * Four threads sleep until a client comes. CLIENTS clients come one after the other, so that all threads sleep
 * each time. The kernel itself counts how often a thread went to sleep again (`voluntary_ctxt_switches`).
 *
 *   run    npx ts-node examples/thundering-herd.ts                               (CLIENTS=500 THREADS=4)
 *   see    a line for each way: wake-ups for each client, and the clients of each thread. `shared` wakes
 *          all threads, `reuseport` and `exclusive` about one. The end of a client wakes its thread once more if
 *          that sleeps by then; with `single`, each client wakes the pool's thread too, which is not counted
 *   end    it ends by itself
 */
import { connect as connectClient } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { type AcceptStrategy, type Reactor, ReactorPool, TcpServer } from '../src';

const CLIENTS = Number(process.env['CLIENTS'] ?? 500);
const THREADS = Number(process.env['THREADS'] ?? 4);
const WAYS: AcceptStrategy[] = ['shared', 'oneshot', 'mutex', 'exclusive', 'reuseport', 'single'];

/** In each thread: one byte, and the end. */
export function start(reactor: Reactor): void {
  const server = new TcpServer({ listener: reactor.listener });
  server.on('connection', (connection) => connection.end('x'));
}

/** One client, from its connection to its end. */
function visit(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectClient(port, '127.0.0.1').resume();
    socket.on('close', () => resolve()).on('error', reject);
  });
}

async function measure(accept: AcceptStrategy): Promise<void> {
  const pool = new ReactorPool({
    module: __filename,
    threads: THREADS,
    listen: { port: 0 },
    accept,
    // A thread that measures its lag wakes for that, too.
    lagResolutionMs: 0,
    startTimeoutMs: 120_000,
  });
  await pool.start();
  const port = pool.port as number;
  // The first clients come while the threads still settle.
  for (let count = 0; count < 20; count += 1) await visit(port);
  const before = await pool.stats();
  for (let count = 0; count < CLIENTS; count += 1) await visit(port);
  const after = await pool.stats();
  const wakeUps = (after.sleeps - before.sleeps) / CLIENTS;
  const spread = after.reactors.map(
    (stats, index) => (stats?.accepted ?? 0) - (before.reactors[index]?.accepted ?? 0),
  );
  console.log(`${accept.padEnd(10)} ${wakeUps.toFixed(2).padStart(8)}    ${spread.join(' ')}`);
  await pool.stop();
}

async function main(): Promise<void> {
  console.log(`${CLIENTS} clients, one after the other, ${THREADS} threads`);
  console.log('way        wake-ups    clients of each thread');
  for (const way of WAYS) await measure(way);
}

if (isMainThread) void main();
