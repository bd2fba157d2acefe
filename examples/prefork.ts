/**
 * Prefork: five processes share one listener, and each has an epoll set of its own.
 *
 * The pool opens the port, and each process inherits it. A client connects, sends a line, reads it back
 * and closes, 9,999 times, one after the other: each round is answered by one of the five, none is lost.
 * The same with one epoll set for all five is examples/prefork-shared-epoll.ts.
 *
 *   run    npx ts-node examples/prefork.ts                                  (ROUNDS=9999 PROCESSES=5)
 *          or, to serve until it is ended: ROUNDS=0 PORT=7020 npx ts-node examples/prefork.ts
 *   then   nc 127.0.0.1 7020, and type; kill -9 one of the pids; kill -HUP the pool, and connect again
 *   see    the rounds and the pid that answered each; a killed process is replaced, and HUP replaces all
 *   end    Ctrl-C: all processes finish what they have begun
 */
import { connect, Prefork, type PreforkWorker } from '../src';

const HOST = '127.0.0.1';
const ROUNDS = Number(process.env['ROUNDS'] ?? 9_999);
const PROCESSES = Number(process.env['PROCESSES'] ?? 5);

/** In each of the processes. */
export function start(worker: PreforkWorker): void {
  worker.listen().on('connection', (connection) => {
    connection.on('data', (line) => connection.write(`${process.pid} ${line}`));
  });
}

async function main(): Promise<void> {
  const listen = { host: HOST, port: Number(process.env['PORT'] ?? 0) };
  // Each process compiles this anew, when it is run by ts-node.
  const startTimeoutMs = 120_000;
  const pool = new Prefork({ module: __filename, processes: PROCESSES, listen, startTimeoutMs });
  pool.on('exit', ({ pid, code, signal, isExpected }) => {
    if (!isExpected) console.log(`${pid} has ended (${signal ?? code}), and is replaced`);
  });
  await pool.start();
  console.log(`pool ${process.pid} is listening at ${HOST}:${pool.port}`);
  console.log(`its processes: ${pool.processes.map(({ pid }) => pid).join(' ')}`);
  if (ROUNDS === 0) return;

  const answered = new Map<string, number>();
  for (let round = 1; round <= ROUNDS; round += 1) {
    const [pid = '', line] = (await exchange(pool.port, `this is line ${round}\n`)).split(/ (.*)/s);
    if (line !== `this is line ${round}\n`) throw new Error(`round ${round} got ${pid} ${line}`);
    answered.set(pid, (answered.get(pid) ?? 0) + 1);
  }
  for (const [pid, count] of answered) console.log(`process ${pid} has answered ${count}`);
  console.log(`${ROUNDS} rounds, all answered, by ${answered.size} of ${PROCESSES} processes`);
  await pool.stop();
}

/** Connect, send a line, read it back, close. */
async function exchange(port: number, line: string): Promise<string> {
  const connection = await connect({ host: HOST, port });
  return new Promise((resolve, reject) => {
    let answer = '';
    connection.on('data', (chunk) => {
      answer += chunk;
      if (answer.endsWith('\n')) connection.end();
    });
    connection.on('close', (error) => (error === undefined ? resolve(answer) : reject(error)));
    connection.write(line);
  });
}

if (require.main === module) void main();
