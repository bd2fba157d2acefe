/** Options, starts, crashes, restarts and messages of a pool of reactors. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReactorPool } from '../../../src/cluster';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { until } from '../../support/until';
import { ask, holder, program, started, stopLater } from './rig';

jest.setTimeout(60_000);
expectNoFdLeaks();

const MODULE = program('pool-tags.ts');

test.each([
  ['accept', { accept: 'herd' }],
  ['threads', { threads: 0 }],
  ['threads', { threads: 1_000 }],
  ['module', { module: './pool-tags.ts' }],
  ['module', { module: '/nowhere/at/all.js' }],
  ['listen', { listen: { port: 1, path: 'x' } }],
  ['listen', { listen: {} }],
  ['accept', { accept: 'reuseport', listen: { path: 'x' } }],
  ['balance', { balance: 'fair' }],
  ['restart.maxCrashes', { restart: { maxCrashes: 0 } }],
  ['thread', { thread: 1 }],
])('option %s is refused by name: %j', (name, options) => {
  expect(() => new ReactorPool({ module: MODULE, ...options } as never)).toThrow(
    expect.objectContaining({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining(name),
    }),
  );
});

test.each([
  ['throws', `throw new Error('at once')`, /cannot be loaded: at once/],
  ['no start', 'exports.begin = () => {}', /exports no function "start"/],
  ['start throws', `exports.start = () => { throw new Error('later') }`, /threw: later/],
  ['start rejects', `exports.start = async () => { throw new Error('later') }`, /threw: later/],
])('a module that is wrong, %s: one error with its path', async (_name, text, reason) => {
  const path = join(makeFolder(), 'module.js');
  writeFileSync(path, text);
  const pool = new ReactorPool({ module: path, threads: 2, listen: { port: 0 } });
  const error = await pool.start().catch((refusal) => refusal);
  expect(error).toMatchObject({
    code: 'ERR_REACTOR_MODULE',
    message: expect.stringMatching(reason),
  });
  expect(error.message).toContain(path);
});

test('a start that never returns ends in time', async () => {
  const path = join(makeFolder(), 'module.js');
  writeFileSync(path, 'exports.start = () => new Promise(() => {})');
  const pool = new ReactorPool({ module: path, threads: 1, startTimeoutMs: 200 });
  await expect(pool.start()).rejects.toMatchObject({ code: 'ERR_REACTOR_START_TIMEOUT' });
});

test('ES modules start, too', async () => {
  const path = join(makeFolder(), 'module.mjs');
  writeFileSync(path, 'export function start(reactor) { reactor.postMessage(reactor.data); }');
  const pool = stopLater(new ReactorPool({ module: path, threads: 1, data: { a: 1 } }));
  const messages: unknown[] = [];
  pool.on('message', (message) => messages.push(message));
  await pool.start();
  await until(() => messages.length === 1);
  expect(messages).toEqual([{ a: 1 }]);
});

test('a port that is taken rejects the start; a pool starts once', async () => {
  const pool = await started();
  await expect(pool.start()).rejects.toMatchObject({ code: 'ERR_POOL_STATE' });
  const other = new ReactorPool({
    module: MODULE,
    threads: 1,
    listen: { port: pool.port as number },
  });
  await expect(other.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test.each(['thread', 'inline'] as const)('messages both ways, waiter %s', async (waiter) => {
  const pool = await started({ waiter });
  const messages: unknown[] = [];
  pool.on('message', (message, index) => messages.push([message, index]));
  expect(pool.broadcast({ echo: 'hello' })).toBe(2);
  expect(pool.postMessage(7, { echo: 'nobody' })).toBe(false);
  await until(() => messages.length === 2);
  expect(messages.sort()).toEqual([
    ['hello', 0],
    ['hello', 1],
  ]);
  expect(await ask(pool, 'x')).toMatch(/^[01] x\n$/);
});

describe('a reactor that crashes is replaced, and its siblings go on:', () => {
  test.each([
    ['throw', { message: 'on purpose' }],
    ['exit', { code: 'ERR_REACTOR_EXIT' }],
    ['fill', { code: 'ERR_WORKER_OUT_OF_MEMORY' }],
  ])('%s', async (request, expected) => {
    const pool = await started({
      accept: 'single',
      resourceLimits: { maxOldGenerationSizeMb: 64 },
    });
    const crashes: unknown[][] = [];
    pool.on('crash', (...crash) => crashes.push(crash));
    const held = await holder(pool);
    const online = new Promise((resolve) => pool.once('online', resolve));
    pool.postMessage(held.index, request);
    expect(await held.ended).toMatch(/end|ECONNRESET/);
    expect(await ask(pool, 'a sibling')).toBe(`${1 - held.index} a sibling\n`);
    expect(await online).toBe(held.index);
    expect(crashes).toEqual([[expect.objectContaining(expected), held.index]]);
    expect((await pool.stats()).crashes).toBe(1);
    const answers = await Promise.all([ask(pool, 'a'), ask(pool, 'b')]);
    expect(answers.map((answer) => answer[0]).sort()).toEqual(['0', '1']);
  });

  test.each(['mutex', 'oneshot', 'exclusive'] as const)(
    'terminated in the middle of a callback, %s',
    async (accept) => {
      const pool = await started({ accept });
      const held = await holder(pool);
      pool.postMessage(held.index, 'spin');
      const online = new Promise((resolve) => pool.once('online', resolve));
      await pool.workerAt(held.index)?.terminate();
      expect(await held.ended).toMatch(/end|ECONNRESET/);
      for (let count = 0; count < 10; count += 1) await ask(pool, 'on');
      await online;
      for (let count = 0; count < 10; count += 1) await ask(pool, 'on');
    },
  );

  test('too often in a row: one error, and the pool has stopped', async () => {
    const pool = await started({ restart: { maxCrashes: 3, firstPauseMs: 1 } });
    const errors: Error[] = [];
    pool.on('error', (error) => errors.push(error));
    pool.on('online', (index) => pool.postMessage(index, 'exit'));
    const closed = new Promise<void>((resolve) => pool.once('close', resolve));
    pool.postMessage(0, 'exit');
    await closed;
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_REACTOR_CRASHES' })]);
    expect(errors[0]?.message).toMatch(/reactor 0 crashed 3 times in a row/);
  });
});

test.each(['exclusive', 'single', 'reuseport'] as const)(
  'restart under load refuses and resets no client, %s',
  async (accept) => {
    const pool = await started({ accept });
    let isOver = false;
    const clients = Array.from({ length: 10 }, async () => {
      let count = 0;
      while (!isOver || count < 10) {
        expect(await ask(pool, `${count}`)).toMatch(new RegExp(`^[01] ${count}\n$`));
        count += 1;
      }
    });
    await pool.restart();
    isOver = true;
    await Promise.all(clients);
    expect((await pool.stats()).crashes).toBe(0);
  },
);

test('stop cuts what is left at the deadline, and says so', async () => {
  const pool = await started();
  const held = await holder(pool);
  expect(await pool.stop({ deadlineMs: 50 })).toEqual({ ended: 0, cut: 1 });
  held.socket.destroy();
  await expect(pool.restart()).rejects.toMatchObject({ code: 'ERR_POOL_STATE' });
});

test('the pool’s thread may block: clients are served meanwhile', async () => {
  const pool = await started({ accept: 'exclusive' });
  const held = await holder(pool);
  const answer = new Promise<string>((resolve) => {
    held.socket.once('data', (chunk) => resolve(chunk.toString()));
  });
  held.socket.write('meanwhile');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  expect(await answer).toBe(`${held.index} meanwhile\n`);
  held.socket.destroy();
});
