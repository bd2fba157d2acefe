/** A pool of processes as the main process of a server, for the tests of signals. Prints what happens. */
import { join } from 'node:path';
import { Prefork } from '../../../src';

async function main(): Promise<void> {
  const pool = new Prefork({
    module: join(__dirname, 'prefork-module.ts'),
    processes: 2,
    listen: { port: 0 },
    deadlineMs: Number(process.argv[2] ?? 10_000),
  });
  pool.on('online', ({ index, pid }) => console.log(`online ${index} ${pid}`));
  pool.on('exit', ({ index, code, signal, isExpected }) =>
    console.log(`exit ${index} ${code} ${signal} ${isExpected}`),
  );
  pool.on('stop', () => console.log('stopped'));
  await pool.start();
  console.log(`listening at ${pool.port}`);
}

void main();
