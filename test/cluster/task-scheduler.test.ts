/** The order of tasks, and the ways in which they are given up; crashes are in task-crashes.test.ts. */
import { EventEmitter } from 'node:events';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { TaskScheduler, type TaskSchedulerOptions } from '../../src/cluster';
import { TcpServer } from '../../src/net';
import { client, receive } from '../support/client';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { next, until } from '../support/until';
import type { Gate } from './programs/tasks';

expectNoFdLeaks();

const MODULE = join(__dirname, 'programs/tasks.ts');
const open: TaskScheduler[] = [];

afterEach(async () => {
  for (const tasks of open.splice(0)) await tasks.close({ deadlineMs: 0 });
});

function scheduler(options: Partial<TaskSchedulerOptions> = {}): TaskScheduler {
  const tasks = new TaskScheduler({ module: MODULE, threads: 1, ...options });
  open.push(tasks);
  return tasks;
}

function gate(): Gate {
  return new Int32Array(new SharedArrayBuffer(4));
}

function openGate(word: Gate): void {
  Atomics.store(word, 0, 1);
  Atomics.notify(word, 0);
}

/** A task that has begun, and ends when its gate is opened. */
async function held(tasks: TaskScheduler, options: object = {}) {
  const entry = { begun: gate(), gate: gate(), value: 'held' };
  const result = tasks.run(entry, { name: 'hold', ...options });
  const settled = result.then(
    (value) => ({ value }),
    (error: Error & { code?: string }) => ({ error }),
  );
  await until(() => Atomics.load(entry.begun, 0) === 1);
  return { settled, release: () => openGate(entry.gate) };
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: { code?: string }) => error.code,
  );

test('a task is a call in another thread; what it throws arrives with its fields', async () => {
  const tasks = scheduler();
  expect(await tasks.run({ a: [1, new Date(0)] })).toEqual({ a: [1, new Date(0)] });
  const first = await tasks.run<number>(null, { name: 'thread' });
  expect(first).toBeGreaterThan(0);
  expect(await tasks.run(null, { name: 'thread' })).toBe(first);
  const error = await tasks.run('no', { name: 'fail' }).catch((e) => e as Record<string, unknown>);
  expect(error).toEqual(
    expect.objectContaining({ name: 'RangeError', message: 'no', code: 'EBAD', detail: 7 }),
  );
  expect(error).toHaveProperty('stack', expect.stringContaining('tasks.ts'));
  expect(error).not.toHaveProperty('socket');
  expect(await tasks.run(null, { name: 'failOddly' }).catch((e) => e.message)).toBe('odd');
  expect(await tasks.run(null, { name: 'throwText' }).catch((e) => e)).toBe('only text');
  expect(tasks.stats()).toMatchObject({ threads: 1, completed: 3, failed: 3, crashes: 0 });
});

test('tasks of one key run one after the other, other keys beside them', async () => {
  const tasks = scheduler({ threads: 2 });
  const ended: string[] = [];
  const key = {};
  const first = await held(tasks, { key });
  void first.settled.then(() => ended.push('first'));
  const second = tasks.run('second', { key }).then((value) => ended.push(value as string));
  const third = tasks.run('third', { key }).then((value) => ended.push(value as string));
  for (const other of ['x', 7, {}]) ended.push(await tasks.run('other', { key: other }));
  expect(ended).toEqual(['other', 'other', 'other']);
  expect(tasks.stats()).toMatchObject({ running: 1, waiting: 2, keys: 1 });
  first.release();
  await Promise.all([second, third]);
  expect(ended.slice(3)).toEqual(['first', 'second', 'third']);
  expect(tasks.stats()).toMatchObject({ running: 0, waiting: 0, keys: 0 });
});

test('a thousand tasks of ten keys, on two threads: each key in its order', async () => {
  const tasks = scheduler({ threads: 2 });
  const ended = new Map<number, number[]>();
  await Promise.all(
    Array.from({ length: 1_000 }, async (_, number) => {
      const key = number % 10;
      await tasks.run(number, { key, priority: number % 3 });
      ended.set(key, [...(ended.get(key) ?? []), number]);
    }),
  );
  for (const [key, numbers] of ended) {
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, index) => 10 * index + key));
  }
});

test('one task too many is refused at once, and nothing else is lost', async () => {
  const tasks = scheduler({ maxQueued: 2 });
  const first = await held(tasks);
  const waiting = [tasks.run(1), tasks.run(2)];
  const refused = tasks.run(3);
  await expect(refused).rejects.toMatchObject({
    code: 'ERR_TASK_QUEUE_FULL',
    message: 'the queue is full: 2 tasks wait (maxQueued)',
  });
  first.release();
  expect(await Promise.all(waiting)).toEqual([1, 2]);
  expect(tasks.stats()).toMatchObject({ refused: 1, completed: 3 });
});

test('with maxQueued 0 a task begins at once or is refused', async () => {
  const tasks = scheduler({ maxQueued: 0 });
  const first = await held(tasks, { key: 'a' });
  expect(await codeOf(tasks.run(1))).toBe('ERR_TASK_QUEUE_FULL');
  first.release();
  await first.settled;
  expect(await tasks.run(2)).toBe(2);
});

test('higher priorities first, equal ones in order', async () => {
  const tasks = scheduler();
  const first = await held(tasks);
  const ended: unknown[] = [];
  const all = [
    [1, 0],
    [2, -10],
    [3, 10],
    [4, 0],
    [5, 10],
  ].map(([value, priority]) =>
    tasks.run(value, { priority: priority as number }).then((result) => ended.push(result)),
  );
  first.release();
  await Promise.all(all);
  expect(ended).toEqual([3, 5, 1, 4, 2]);
});

test('a task that waits is given up at its deadline, and never begins', async () => {
  const tasks = scheduler();
  const first = await held(tasks);
  const begun = gate();
  const late = tasks.run({ begun }, { name: 'hold', deadlineMs: 1, key: 'late' });
  await expect(late).rejects.toMatchObject({
    code: 'ERR_TASK_DEADLINE',
    message: 'the task has not begun after its deadline of 1 ms',
  });
  first.release();
  await first.settled;
  expect(await tasks.run('next', { key: 'late' })).toBe('next');
  expect(Atomics.load(begun, 0)).toBe(0);
  expect(tasks.stats()).toMatchObject({ late: 1, completed: 2, threads: 1 });
});

test('a task that runs at its deadline goes on, without its result, and keeps thread and key', async () => {
  const tasks = scheduler({ threads: 2, deadlineMs: 20 });
  const first = await held(tasks, { key: 'a' });
  expect(await first.settled).toMatchObject({ error: { code: 'ERR_TASK_DEADLINE' } });
  const second = tasks.run('second', { key: 'a', deadlineMs: 0 });
  expect(await tasks.run('other', { deadlineMs: 0 })).toBe('other');
  expect(tasks.stats()).toMatchObject({ running: 1, waiting: 1, late: 1 });
  first.release();
  expect(await second).toBe('second');
  expect(tasks.stats()).toMatchObject({ running: 0, completed: 2, failed: 0, crashes: 0 });
});

test('with `terminate` its thread ends, and the next task has another', async () => {
  const tasks = scheduler();
  const before = await tasks.run<number>(null, { name: 'thread' });
  const first = await held(tasks, { key: 'a', deadlineMs: 5, terminate: true });
  const next = tasks.run<number>(null, { name: 'thread', key: 'a' });
  expect(await first.settled).toMatchObject({ error: { code: 'ERR_TASK_DEADLINE' } });
  expect(await next).not.toBe(before);
  expect(tasks.stats()).toMatchObject({ late: 1, crashes: 0, threads: 1 });
});

test('a signal gives up a task, with its reason', async () => {
  const tasks = scheduler();
  const controller = new AbortController();
  const first = await held(tasks, { signal: controller.signal });
  const waiting = codeOf(tasks.run(1, { signal: controller.signal }));
  const reason = Object.assign(new Error('enough'), { code: 'EENOUGH' });
  controller.abort(reason);
  expect(await first.settled).toEqual({ error: reason });
  expect(await waiting).toBe('EENOUGH');
  expect(await codeOf(tasks.run(2, { signal: controller.signal }))).toBe('EENOUGH');
  first.release();
  expect(await tasks.run('next')).toBe('next');
  expect(tasks.stats()).toMatchObject({ canceled: 2, completed: 1 });
});

test('a key that emits close is listened to once, and what waits for it is canceled', async () => {
  const tasks = scheduler();
  const key = new EventEmitter();
  const first = await held(tasks, { key });
  const waiting = [1, 2, 3].map((value) => codeOf(tasks.run(value, { key })));
  expect(key.listenerCount('close')).toBe(1);
  const other = tasks.run('other');
  key.emit('close');
  expect(await Promise.all(waiting)).toEqual(Array(3).fill('ERR_TASK_CANCELED'));
  expect(await first.settled).toMatchObject({
    error: { code: 'ERR_TASK_CANCELED', message: 'the task was canceled: its key has closed' },
  });
  first.release();
  expect(await other).toBe('other');
  expect(key.listenerCount('close')).toBe(0);
  expect(tasks.stats()).toMatchObject({ canceled: 4, keys: 0 });
});

test('the close of a connection cancels its tasks, and no others', async () => {
  const tasks = scheduler();
  const server = new TcpServer({ port: 0 });
  const first = await held(tasks);
  const outcomes: unknown[] = [];
  server.on('connection', (connection) => {
    connection.on('data', (chunk) => {
      // A view that is overwritten by the next bytes: the scheduler copies what waits.
      void codeOf(tasks.run(chunk, { name: 'bytes', key: connection })).then((outcome) => {
        outcomes.push(outcome);
        if (!connection.closed) connection.end(JSON.stringify(outcome));
      });
    });
  });
  const [leaves, stays] = [await client(server.port), await client(server.port)];
  leaves.write('leaves');
  await until(() => tasks.stats().waiting === 1);
  stays.write('stays');
  await until(() => tasks.stats().waiting === 2);
  leaves.resetAndDestroy();
  await until(() => tasks.stats().canceled === 1);
  first.release();
  const answer = JSON.stringify({ value: { text: 'stays', memory: 5 } });
  expect((await receive(stays, answer.length)).toString()).toBe(answer);
  expect(outcomes).toEqual(['ERR_TASK_CANCELED', { value: { text: 'stays', memory: 5 } }]);
  const closed = next(server, 'close');
  server.close();
  await closed;
});

test('a key that has closed gets no task; with a handler of its own, when its turn comes', async () => {
  const tasks = scheduler();
  const key = { closed: false };
  const first = await held(tasks);
  const waiting = codeOf(tasks.run(1, { key }));
  key.closed = true;
  expect(await codeOf(tasks.run(2, { key }))).toBe('ERR_TASK_CANCELED');
  first.release();
  expect(await waiting).toBe('ERR_TASK_CANCELED');
  expect(tasks.stats()).toMatchObject({ canceled: 2, keys: 0 });
});

test('cancel gives up the tasks of a key, and says how many', async () => {
  const tasks = scheduler();
  const first = await held(tasks, { key: 5 });
  const waiting = codeOf(tasks.run(1, { key: 5 }));
  expect(tasks.cancel(6)).toBe(0);
  expect(tasks.cancel(5)).toBe(2);
  expect(tasks.cancel(5)).toBe(0);
  expect(await waiting).toBe('ERR_TASK_CANCELED');
  first.release();
  expect(await first.settled).toMatchObject({ error: { code: 'ERR_TASK_CANCELED' } });
});

test('the payload is what it was at the call; bytes come without their surroundings', async () => {
  const tasks = scheduler();
  const first = await held(tasks);
  const memory = Buffer.alloc(1_000, '.');
  memory.write('before', 10);
  const view = memory.subarray(10, 16);
  const waiting = tasks.run(view, { name: 'bytes' });
  memory.write('after!', 10);
  first.release();
  expect(await waiting).toEqual({ text: 'before', memory: 6 });
  expect(await tasks.run(view, { name: 'bytes' })).toEqual({ text: 'after!', memory: 6 });
  const moved = new Uint8Array(64);
  const transfer = [moved.buffer];
  expect(await tasks.run(moved, { name: 'bytes', transfer })).toMatchObject({ memory: 64 });
  expect(moved.byteLength).toBe(0);
});

test.each([
  [undefined, 5],
  [0, 0],
  [19, 19],
])('with nice %p the thread stands back by %d, and this one does not', async (nice, expected) => {
  const own = getPriority();
  const tasks = scheduler(nice === undefined ? {} : { nice });
  const theirs = await tasks.run<number>(null, { name: 'niceness' });
  expect(theirs).toBe(Math.min(own + expected, 19));
  expect(getPriority()).toBe(own);
});

test('what cannot be copied is refused, at once or when it is posted', async () => {
  const tasks = scheduler();
  const first = await held(tasks);
  await expect(tasks.run(() => {})).rejects.toMatchObject({ name: 'DataCloneError' });
  first.release();
  await first.settled;
  await expect(tasks.run(() => {})).rejects.toMatchObject({ name: 'DataCloneError' });
  expect(await tasks.run('next')).toBe('next');
  expect(tasks.stats().crashes).toBe(0);
});

test('close finishes what there is, and takes no more', async () => {
  const tasks = scheduler();
  const first = await held(tasks);
  const waiting = tasks.run('waiting');
  const closing = tasks.close();
  await expect(tasks.run(1)).rejects.toMatchObject({
    code: 'ERR_TASK_SCHEDULER_CLOSED',
    message: 'the scheduler is closed: it takes no more tasks',
  });
  first.release();
  expect(await waiting).toBe('waiting');
  expect(await closing).toEqual({ ended: 2, cut: 0 });
  expect(await tasks.close({ deadlineMs: 0 })).toEqual({ ended: 2, cut: 0 });
  expect(tasks.stats()).toMatchObject({ threads: 0, running: 0, waiting: 0 });
});

test('close gives up at its deadline what runs and what waits', async () => {
  const tasks = scheduler();
  const first = await held(tasks, { key: 1 });
  const waiting = [1, 1, 2].map((key) => codeOf(tasks.run('never', { key })));
  expect(await tasks.close({ deadlineMs: 1 })).toEqual({ ended: 0, cut: 4 });
  expect(await Promise.all(waiting)).toEqual(Array(3).fill('ERR_TASK_SCHEDULER_CLOSED'));
  expect(await first.settled).toMatchObject({ error: { code: 'ERR_TASK_SCHEDULER_CLOSED' } });
  expect(tasks.stats()).toMatchObject({ threads: 0, running: 0, waiting: 0, keys: 0 });
});

test('a scheduler that was given nothing to do closes', async () => {
  expect(await scheduler().close()).toEqual({ ended: 0, cut: 0 });
});

test.each([
  ['threads', { threads: 0 }],
  ['threads', { threads: 1_000 }],
  ['maxQueued', { maxQueued: -1 }],
  ['deadlineMs', { deadlineMs: Number.NaN }],
  ['resourceLimits', { resourceLimits: 5 }],
  ['loop', { loop: {} }],
  ['module', { module: 'tasks' }],
  ['module', { module: '/does/not/exist.js' }],
  ['module', { module: __dirname }],
  ['module', { module: undefined }],
])('the option %s is refused by name: %p', (name, options) => {
  const make = () => new TaskScheduler({ module: MODULE, ...options } as TaskSchedulerOptions);
  expect(make).toThrow(`option "${name}" of TaskScheduler`);
  expect(make).toThrow(TypeError);
});

test.each([
  ['priority', { priority: 11 }],
  ['priority', { priority: 0.5 }],
  ['deadlineMs', { deadlineMs: -1 }],
  ['deadlineMs', { deadlineMs: 2 ** 40 }],
  ['signal', { signal: {} }],
  ['name', { name: 5 }],
  ['terminate', { terminate: 1 }],
  ['transfer', { transfer: new ArrayBuffer(1) }],
  ['priorty', { priorty: 1 }],
])('the option %s of a task is refused by name: %p', async (name, options) => {
  await expect(scheduler().run(1, options as object)).rejects.toThrow(`"${name}"`);
});
