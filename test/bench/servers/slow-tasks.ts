/**
 * The echo server, and slow work without a pause: `with tasks` in one thread of a scheduler
 * (`nice 0`: which does not stand back), `without`
 * not at all, `on the loop itself` in slices between its turns. Prints its port.
 */
import { scryptSync } from 'node:crypto';
import { join } from 'node:path';
import { TaskScheduler, TcpServer } from '../../../src';

const [kind] = process.argv.slice(2);
const nice = /nice (\d+)/.exec(kind ?? '')?.[1];
/** So many are asked for at a time: one runs, the others wait. */
const ASKED = 4;

const server = new TcpServer({
  port: 0,
  handler: {
    onData(connection, chunk) {
      connection.write(chunk);
    },
  },
});

if (kind?.startsWith('with tasks')) {
  const tasks = new TaskScheduler({
    module: join(__dirname, 'slow-task.js'),
    threads: 1,
    ...(nice === undefined ? {} : { nice: Number(nice) }),
  });
  const ask = async (): Promise<never> => {
    for (;;) await tasks.run('password', { name: 'hash' });
  };
  // The first hash has come: the thread runs.
  void tasks.run('password', { name: 'hash' }).then(() => {
    for (let count = 0; count < ASKED; count += 1) void ask();
    console.log(server.port);
  });
} else {
  console.log(server.port);
  if (kind === 'on the loop itself') {
    const work = (): void => {
      scryptSync('password', 'salt', 32);
      setImmediate(work);
    };
    work();
  }
}
