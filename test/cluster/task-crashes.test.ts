/** Threads that crash, modules that are no good, and processes that end; nothing is asked twice. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { TaskScheduler, type TaskSchedulerOptions } from '../../src/cluster';
import { ROOT, runTs } from '../support/child';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next, until } from '../support/until';
import { writeModules } from './programs/task-modules';

expectNoFdLeaks();

const MODULE = join(__dirname, 'programs/tasks.ts');
const PROGRAM = 'test/cluster/programs/task-process.ts';
const { folder, pathOf } = writeModules();
const open: TaskScheduler[] = [];

afterEach(async () => {
  for (const tasks of open.splice(0)) await tasks.close({ deadlineMs: 0 });
});
afterAll(() => rmSync(folder, { recursive: true }));

function scheduler(options: Partial<TaskSchedulerOptions> = {}): TaskScheduler {
  const tasks = new TaskScheduler({ module: MODULE, threads: 1, ...options });
  open.push(tasks);
  return tasks;
}

const errorOf = (promise: Promise<unknown>): Promise<Error & { cause?: Error }> =>
  promise.then(
    (value) => Promise.reject(new Error(`no error, but ${value}`)),
    (error) => error,
  );

test.each([
  ['process.exit', 'exit', 3, 'worker exited with code: 3'],
  ['an uncaught exception', 'throwLater', 0, 'thrown later'],
])('a thread that ends by %s fails its task alone', async (_case, name, payload, message) => {
  const tasks = scheduler();
  const doomed = tasks.run(payload, { name, key: 1 });
  const after = tasks.run('after', { key: 1 });
  expect(await errorOf(doomed)).toMatchObject({
    code: 'ERR_TASK_CRASHED',
    message: expect.stringContaining(message),
    cause: { message: expect.stringContaining(message) },
  });
  expect(await after).toBe('after');
  expect(tasks.stats()).toMatchObject({ crashes: 1, failed: 1, completed: 1, threads: 1 });
});

test('a result that cannot be copied is an error, and the end of no thread', async () => {
  const tasks = scheduler();
  for (const name of ['uncopiable', 'promises']) {
    const error = await errorOf(tasks.run(1, { name }));
    expect(error.name).toBe('DataCloneError');
    expect(error.message).toContain('could not be cloned');
  }
  expect(tasks.stats()).toMatchObject({ crashes: 0, failed: 2, threads: 1 });
});

test('a thread that has no memory left fails its task alone', async () => {
  const tasks = scheduler({ resourceLimits: { maxOldGenerationSizeMb: 24 } });
  expect(await errorOf(tasks.run(0, { name: 'exhaust' }))).toMatchObject({
    code: 'ERR_TASK_CRASHED',
    cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' },
  });
  expect(await tasks.run('after')).toBe('after');
});

test('a thread that crashes without a task is a warning, and replaced', async () => {
  const tasks = scheduler();
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation();
  expect(await tasks.run(gate, { name: 'crashAfterwards' })).toBe('answered');
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  await until(() => warn.mock.calls.length > 0);
  expect(warn.mock.calls).toEqual([
    [expect.stringContaining('crashed afterwards'), { code: 'EPOLL_FFI_TASKS' }],
  ]);
  warn.mockRestore();
  expect(await tasks.run('after')).toBe('after');
  expect(tasks.stats()).toMatchObject({ crashes: 1, completed: 2, failed: 0 });
});

test('crashes in a row make a pause, in which tasks wait and deadlines hold', async () => {
  const tasks = scheduler();
  for (const code of [1, 2]) await errorOf(tasks.run(code, { name: 'exit' }));
  // In the pause: there is no thread, and none is started.
  const late = tasks.run(1, { deadlineMs: 1 });
  expect(tasks.stats()).toMatchObject({ crashes: 2, running: 0, waiting: 1, threads: 0 });
  expect(await errorOf(late)).toMatchObject({ code: 'ERR_TASK_DEADLINE' });
  expect(await tasks.run('after')).toBe('after');
  // A task that ended well forgets them.
  await errorOf(tasks.run(1, { name: 'exit' }));
  const next = tasks.run('next');
  expect(tasks.stats()).toMatchObject({ running: 1, waiting: 0 });
  expect(await next).toBe('next');
});

test('a close in the pause after crashes waits for none', async () => {
  const tasks = scheduler();
  for (const code of [1, 2]) await errorOf(tasks.run(code, { name: 'exit' }));
  const waiting = errorOf(tasks.run('never'));
  expect(await tasks.close({ deadlineMs: 0 })).toEqual({ ended: 0, cut: 1 });
  expect(await waiting).toMatchObject({ code: 'ERR_TASK_SCHEDULER_CLOSED' });
});

test.each([
  ['throws.js', 'cannot be loaded: not today'],
  ['syntax.js', 'cannot be loaded: Unexpected end of input'],
  ['missing.js', "cannot be loaded: Cannot find module './is-not-there'"],
  ['empty.js', 'exports no function "run"'],
  ['value.js', 'exports no function "run"'],
] as const)('the module %s is one clear error for each task', async (name, reason) => {
  const tasks = scheduler({ module: pathOf(name) });
  for (const key of [1, 2]) {
    const error = await errorOf(tasks.run(key, { key }));
    expect(error).toMatchObject({ code: 'ERR_TASK_MODULE' });
    expect(error.message).toContain(`the task module ${pathOf(name)} ${reason}`);
  }
  expect(tasks.stats()).toMatchObject({ failed: 2, crashes: 0, threads: 1 });
});

test('a module that ends its thread while it loads fails the task that asked', async () => {
  const tasks = scheduler({ module: pathOf('exits.js') });
  expect(await errorOf(tasks.run(1))).toMatchObject({ code: 'ERR_TASK_CRASHED' });
  expect(await errorOf(tasks.run(2))).toMatchObject({ code: 'ERR_TASK_CRASHED' });
  expect(tasks.stats()).toMatchObject({ crashes: 2, failed: 2, running: 0 });
});

test.each([
  ['plain.js', 'js'],
  ['default.js', 'default'],
  ['module.mjs', 'mjs'],
  ['type.ts', 'ts'],
] as const)('the module %s runs', async (name, kind) => {
  const tasks = scheduler({ module: pathToFileURL(pathOf(name)) });
  expect(await tasks.run(1)).toEqual([kind, 1]);
});

test('piscina is loaded by the first task; idle threads hold no process', async () => {
  const child = runTs(PROGRAM, { args: ['lazy'] });
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toBe('before: false\nran\nafter: true\n');
});

test('a pause holds the process for the task that waits, and crashes never spin', async () => {
  const child = runTs(PROGRAM, { args: ['pause'] });
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  const ends = [1, 2, 3].map(
    (code) => `the thread of the task has ended: worker exited with code: ${code}`,
  );
  const lines = child.stdout.trim().split('\n');
  expect(lines.slice(0, 4)).toEqual([...ends, 'ran']);
  expect(JSON.parse(lines[4] ?? '')).toMatchObject({ crashes: 3, failed: 3, completed: 1 });
});

test.each([0, 20, 40, 60, 80, 100])(
  'a process that ends while a thread loads koffi is not aborted: after %d ms',
  async (delayMs) => {
    const child = runTs(PROGRAM, { args: ['exitWhileLoading', `${delayMs}`] });
    expect(await child.exit()).toEqual({ code: 7, signal: null });
  },
);

test('a completion wakes an inline loop', async () => {
  const child = runTs(PROGRAM, { args: ['inline'] });
  const [, port] = await child.printed(/listening at (\d+)/);
  const peer = await client(Number(port));
  for (let round = 0; round < 20; round += 1) {
    peer.write('hello');
    expect((await receive(peer, 5)).toString()).toBe('HELLO');
  }
  peer.end();
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toContain('{"ended":0,"cut":0}');
});

test.each([
  ['a task runs', 'hold'],
  ['a task has ended', 'run'],
])('a scheduler in a worker that is terminated while %s leaves nothing behind', async (_, name) => {
  const worker = new Worker(join(ROOT, 'test/cluster/programs/task-worker.ts'), {
    execArgv: [...RUNS_TYPESCRIPT],
    workerData: name,
  });
  expect(await next(worker, 'message')).toEqual(['begun']);
  expect(await worker.terminate()).toBe(1);
});

test('a close while a thread starts ends it when it has loaded', async () => {
  const tasks = scheduler({ module: join(__dirname, 'programs/tasks-with-koffi.ts') });
  const asked = errorOf(tasks.run(1));
  expect(await tasks.close({ deadlineMs: 0 })).toEqual({ ended: 0, cut: 1 });
  expect(await asked).toMatchObject({ code: 'ERR_TASK_SCHEDULER_CLOSED' });
  await until(() => tasks.stats().threads === 0);
});
