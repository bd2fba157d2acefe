/** What a reactor can do: fds, Node's own I/O, servers of every kind, and pools in workers. */
import { closeSync, openSync, readlinkSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { WebSocket } from 'ws';
import type { ReactorPool } from '../../../src/cluster';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { openFds } from '../../support/open-fds';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';
import type { Request, Services } from '../programs/pool-services';
import { ask, program, started } from './rig';

jest.setTimeout(60_000);
expectNoFdLeaks();

const MODULE = program('pool-services.ts');

/** A pool with `data`, and what its reactors have said. */
async function pooled(
  data: Services,
  waiter: 'thread' | 'inline' = 'thread',
): Promise<{
  pool: ReactorPool;
  messages: unknown[];
  request: (at: number, what: Request) => void;
}> {
  const pool = await started({ module: MODULE, data, waiter });
  const messages: unknown[] = [];
  pool.on('message', (message) => messages.push(message));
  const request = (at: number, what: Request): void => {
    expect(pool.postMessage(at, what)).toBe(true);
  };
  return { pool, messages, request };
}

describe.each(['thread', 'inline'] as const)('waiter %s', (waiter) => {
  test.each(['timer', 'file', 'http'] as const)('%s of Node works in a handler', async (what) => {
    const { messages, request } = await pooled({}, waiter);
    request(1, what);
    await until(() => messages.length === 1);
    expect(messages).toEqual([what]);
  });

  test('an fd goes to another reactor, and to itself, and is closed here', async () => {
    const { messages, request } = await pooled({ takesFds: true }, waiter);
    request(0, { sendTo: 1, count: 5 });
    await until(() => messages.length === 2);
    expect(messages).toContainEqual(['sent', false]);
    expect(messages).toContainEqual(['fd', 1, 0, { count: 5 }, 5]);
    messages.length = 0;
    request(1, { sendTo: 1, count: 6 });
    await until(() => messages.length === 2);
    expect(messages).toEqual([expect.arrayContaining(['sent']), ['fd', 1, 1, { count: 6 }, 6]]);
  });
});

test('an fd for a reactor that there is not is refused, as one that is not open; both go on', async () => {
  const { messages, request } = await pooled({ takesFds: true });
  request(0, { sendTo: 2, count: 1 });
  request(0, { sendTo: -1, count: 1 });
  request(0, { sendTo: 0.5, count: 1 });
  request(0, 'badFd');
  await until(() => messages.length === 4);
  expect(messages).toEqual([
    ['refused', 'ERR_OUT_OF_RANGE'],
    ['refused', 'ERR_OUT_OF_RANGE'],
    ['refused', 'ERR_OUT_OF_RANGE'],
    ['refused', 'EBADF'],
  ]);
});

test('an fd that nothing listens for is closed', async () => {
  const { messages, request } = await pooled({});
  const before = eventfds();
  for (let count = 1; count <= 10; count += 1) request(0, { sendTo: 1, count });
  await until(() => messages.length === 10);
  expect(messages).toEqual(Array(10).fill(['sent', false]));
  // While the reactors run: their end would close them, too.
  await until(() => eventfds() === before);
});

test('a reactor that ends does not close what has the number of an fd that it received, and closed', async () => {
  const { pool, messages, request } = await pooled({ takesFds: true, givesNumbers: true });
  request(0, { sendTo: 1, count: 1 });
  await until(() => messages.length === 2);
  const received = messages.find((message) => (message as unknown[])[0] === 'fd') as unknown[];
  const number = received.at(-1) as number;
  const path = join(makeFolder(), 'mine');
  writeFileSync(path, '');
  // The kernel gives the lowest number that is free.
  const opened: number[] = [];
  while (!opened.includes(number)) opened.push(openSync(path, 'r'));
  const online = next(pool, 'online');
  request(1, 'exit');
  await online;
  expect(readlinkSync(`/proc/self/fd/${number}`)).toBe(path);
  for (const fd of opened) closeSync(fd);
});

test('HTTP is served at the listener of the pool', async () => {
  const { pool } = await pooled({ service: 'http' });
  const answers = await Promise.all(['/a', '/b', '/c', '/d'].map((path) => fetched(pool, path)));
  for (const [index, path] of ['/a', '/b', '/c', '/d'].entries()) {
    expect(answers[index]).toMatch(new RegExp(`^[01] ${path}$`));
  }
  const { accepted } = await pool.stats();
  expect(accepted).toBe(4);
});

test('WebSockets are served at the listener of the pool, and stop closes them with 1001', async () => {
  const { pool } = await pooled({ service: 'ws' });
  const socket = new WebSocket(`ws://127.0.0.1:${pool.port}/`);
  await next(socket, 'open');
  socket.send('hello');
  const [answer] = await next<[Buffer]>(socket, 'message');
  expect(answer.toString()).toMatch(/^[01] hello$/);
  expect((await pool.stats()).connections).toBe(1);
  const closed = next<[number]>(socket, 'close');
  expect(await pool.stop()).toEqual({ ended: 1, cut: 0 });
  expect((await closed)[0]).toBe(1001);
});

describe.each(['exclusive', 'single'] as const)('a pool in a worker, %s', (accept) => {
  const nested = (): Worker =>
    new Worker(program('pool-in-worker.ts'), {
      execArgv: [...RUNS_TYPESCRIPT],
      workerData: accept,
    });

  test('serves, and stops', async () => {
    const worker = nested();
    const [answer] = await next<[string]>(worker, 'message');
    expect(answer).toMatch(/^[01] nested\n$/);
    const exit = next(worker, 'exit');
    worker.postMessage('stop');
    expect(await exit).toEqual([0]);
  });

  test('ends with that worker, and leaves no fd', async () => {
    const worker = nested();
    await next(worker, 'message');
    expect(await worker.terminate()).toBe(1);
  });
});

test('stats of a reactor that spins are null, those of the others stand', async () => {
  const pool = await started();
  await ask(pool, 'x');
  pool.postMessage(0, 'spin');
  const { reactors, crashes } = await pool.stats();
  expect([reactors[0], crashes]).toEqual([null, 0]);
  expect(reactors[1]).toMatchObject({ connections: 0, sleeps: expect.any(Number) });
});

function eventfds(): number {
  return [...openFds().values()].filter((target) => target.includes('eventfd')).length;
}

function fetched(pool: ReactorPool, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port: pool.port as number, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}
