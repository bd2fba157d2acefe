/**
 * A process that ends in the way it is given, with four reactors under load: pool-exit.ts WAY MOMENT. The
 * moment is `starting`, or `serving`.
 */
import { connect } from 'node:net';
import { join } from 'node:path';
import { ReactorPool } from '../../../src/cluster';

const [way = '', moment = ''] = process.argv.slice(2);

const WAYS: Record<string, () => void> = {
  exit: () => process.exit(0),
  throw: () => {
    throw new Error('on purpose');
  },
  reject: () => void Promise.reject(new Error('on purpose')),
  exitInExit: () => {
    process.on('exit', () => process.exit(0));
    process.exit(1);
  },
  stop: () => void pool.stop({ deadlineMs: 0 }),
};

const pool = new ReactorPool({
  module: join(__dirname, 'pool-echo.ts'),
  threads: 4,
  listen: { port: 0 },
  accept: 'reuseport',
});

const CLIENTS = 20;
const ANSWERS = 200;
let answers = 0;

function load(): void {
  for (let count = 0; count < CLIENTS; count += 1) {
    const socket = connect(pool.port as number, '127.0.0.1', () => socket.write('x'));
    socket.on('error', () => {});
    socket.on('data', () => {
      answers += 1;
      if (answers === ANSWERS) setImmediate(() => WAYS[way]?.());
      socket.write('x');
    });
    // So that the process ends by itself when the pool has stopped.
    socket.unref();
  }
}

const started = pool.start();
if (moment === 'starting') WAYS[way]?.();
else void started.then(load);
