/**
 * Slow work leaves the loop: a web server whose hashes and queries are done by threads.
 *
 * scrypt takes some 50 ms, and so does the pretended database. On the loop's thread each would stop all
 * clients; here they are tasks. The connection is the key: what one client asks for is done in its order,
 * clients do not wait for each other. The queue is bounded: beyond it, 503 at once. A client that leaves
 * takes its waiting tasks along.
 *
 *   run    PORT=7021 npx ts-node examples/task-scheduler.ts               (THREADS=1 MAX_QUEUED=64)
 *   then   curl http://127.0.0.1:7021/hash/secret      curl http://127.0.0.1:7021/query/7
 *          curl http://127.0.0.1:7021/fast, while: ab -n 400 -c 8 http://127.0.0.1:7021/hash/secret
 *   see    /fast is answered at once, whatever the threads do; with -c 100 some hashes are refused
 *   end    Ctrl-C: requests under way are answered; then figures of the tasks, and how late the loop was
 */
import { scryptSync } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { serveHttp, TaskScheduler, TcpServer } from '../src';

const QUERY_MS = 50;
const SALT = 'epoll-ffi';

/** A task: runs in a thread. */
export function hash(password: string): string {
  return scryptSync(password, SALT, 32).toString('hex');
}

/** A task that waits, as for the answer of a database. */
export function query(id: string): { id: string; name: string } {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, QUERY_MS);
  return { id, name: `user ${id}` };
}

function main(): void {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const tasks = new TaskScheduler({
    module: __filename,
    threads: Number(process.env['THREADS'] ?? 1),
    maxQueued: Number(process.env['MAX_QUEUED'] ?? 64),
    deadlineMs: 60_000,
  });
  const server = new TcpServer({ port: Number(process.env['PORT'] ?? 7021) });
  const site = serveHttp(server, {}, (request, response) => {
    const [, name = '', argument = ''] = (request.url ?? '').split('/');
    if (name === 'fast') return answer(response, 200, 'at once');
    if (name !== 'hash' && name !== 'query') return answer(response, 404, 'not here');
    const key = request.socket;
    tasks.run(argument, { name, key }).then(
      (result) => answer(response, 200, result),
      (error) => answer(response, error.code === 'ERR_TASK_QUEUE_FULL' ? 503 : 500, error.message),
    );
  });

  process.once('SIGINT', async () => {
    await server.shutdown();
    site.close();
    const stats = tasks.stats();
    await tasks.close();
    console.log(`${stats.completed} tasks, ${stats.refused} refused, ${stats.canceled} canceled`);
    console.log(`the loop was late by ${(delay.max / 1e6).toFixed(1)} ms at most`);
  });
  console.log(`listening at http://127.0.0.1:${server.port}`);
}

function answer(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`);
}

if (require.main === module) main();
