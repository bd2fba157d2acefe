/** A process with a task scheduler, for what cannot be tried in the process of the tests. */
import { join } from 'node:path';
import { EventLoop, TaskScheduler, TcpServer } from '../../../src';

const path = join(__dirname, 'tasks.ts');
const piscina = (): boolean => Object.keys(require.cache).some((name) => /\/piscina\//.test(name));

const cases: Record<string, () => void | Promise<void>> = {
  /** The package is loaded by the first task, and an idle thread does not hold the process. */
  async lazy() {
    const tasks = new TaskScheduler({ module: path });
    console.log(`before: ${piscina()}`);
    console.log(await tasks.run('ran'));
    console.log(`after: ${piscina()}`);
  },

  /** The thread loads koffi while the process ends. */
  exitWhileLoading() {
    const tasks = new TaskScheduler({ module: join(__dirname, 'tasks-with-koffi.ts') });
    void tasks.run(1);
    const progress = setInterval(() => {}, 1_000);
    // The worker has begun, and is not ready.
    setTimeout(() => {
      clearInterval(progress);
      process.exit(7);
    }, Number(process.argv[3]));
  },

  /** The thread of an inline loop sleeps for a minute if nothing wakes it. */
  inline() {
    const loop = new EventLoop({ waiter: 'inline', maxInlineWaitMs: 60_000 });
    const tasks = new TaskScheduler({ module: path, threads: 1, loop });
    const server = new TcpServer({ port: 0, loop });
    server.on('connection', (connection) => {
      connection.on('data', async (chunk) => {
        const { text } = await tasks.run<{ text: string }>(chunk, {
          name: 'bytes',
          key: connection,
        });
        connection.write(text.toUpperCase());
      });
      connection.on('close', async () => {
        server.close();
        console.log(JSON.stringify(await tasks.close()));
        loop.close();
      });
    });
    console.log(`listening at ${server.port}`);
  },

  /** Two crashes in a row make a pause; a task that waits for its end holds the process. */
  async pause() {
    const tasks = new TaskScheduler({ module: path, threads: 1 });
    for (const code of [1, 2, 3]) {
      await tasks.run(code, { name: 'exit' }).catch((error) => console.log(error.message));
    }
    console.log(await tasks.run('ran'));
    console.log(JSON.stringify(tasks.stats()));
  },
};

void cases[process.argv[2] ?? '']?.();
