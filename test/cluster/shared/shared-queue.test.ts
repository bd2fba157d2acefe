/** A bounded queue between threads: nothing is lost, doubled, or out of order. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SharedQueue } from '../../../src/cluster/shared/shared-queue';
import { SharedSet } from '../../../src/cluster/shared/shared-set';
import { ROOT } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next } from '../../support/until';

expectNoFdLeaks();

const coded = (code: string): Error => expect.objectContaining({ code });
// biome-ignore lint/suspicious/noExplicitAny: the point is to call with what the types forbid.
const any = (value: unknown): any => value;

test.each([1, 2, 3, 7, 1024])('a capacity of %i: full at it, empty at 0, in order', (capacity) => {
  const queue = new SharedQueue({ capacity });
  for (let round = 0; round < 5; round += 1) {
    expect([queue.length, queue.shift(), queue.take({ timeoutMs: 0 })]).toEqual([
      0,
      undefined,
      undefined,
    ]);
    for (let value = 0; value < capacity; value += 1) expect(queue.push(value)).toBe(true);
    expect([queue.push(9), queue.length]).toEqual([false, capacity]);
    for (let value = 0; value < capacity; value += 1) expect(queue.shift()).toBe(value);
  }
});

test('it goes round where positions pass 2**31 and 2**32', () => {
  const queue = new SharedQueue({ capacity: 3 });
  const words = new Int32Array(queue.share().memory);
  for (const start of [0x7fff_fffc, -4]) {
    // As if so many had gone through. A ring of 8 cells begins anew at a multiple of 8.
    for (const word of [16, 32]) words[word] = start;
    for (let cell = 0; cell < 8; cell += 1) {
      words[64 + 2 * (((start + cell) >>> 0) % 8)] = (start + cell) | 0;
    }
    for (let value = 1; value < 20; value += 1) {
      expect([queue.push(value), queue.push(-value), queue.length]).toEqual([true, true, 2]);
      expect([queue.shift(), queue.shift(), queue.shift()]).toEqual([value, -value, undefined]);
    }
  }
});

test('all 32-bit integers come back', () => {
  const queue = new SharedQueue();
  const values = [0, -1, 1, 0x7fff_ffff, -0x8000_0000];
  for (const value of values) queue.push(value);
  expect(values.map(() => queue.shift())).toEqual(values);
});

test('many producers and consumers: each number is taken once, those of one producer in order', async () => {
  const queue = new SharedQueue({ capacity: 64 });
  const count = 5_000;
  const script = join(ROOT, 'test/cluster/shared/programs/queue-thread.ts');
  const run = (way: string, first = 0): Promise<number[]> => {
    const thread = new Worker(script, {
      execArgv: [...RUNS_TYPESCRIPT],
      workerData: { handle: queue.share(), way, first, count },
    });
    return next<[number[]]>(thread, 'message').then(([taken]) => taken);
  };
  const consumers = [run('take'), run('take')];
  await Promise.all([run('push', 0), run('push', 10_000)]);
  for (const _ of consumers) expect(queue.push(-1)).toBe(true);
  const taken = await Promise.all(consumers);
  for (const list of taken) {
    const low = list.filter((value) => value < 10_000);
    const high = list.filter((value) => value >= 10_000);
    for (const one of [low, high]) expect(one).toEqual([...one].sort((a, b) => a - b));
  }
  const all = taken.flat().sort((a, b) => a - b);
  const range = Array.from({ length: count }, (_, index) => index);
  expect(all).toEqual([...range, ...range.map((value) => value + 10_000)]);
}, 60_000);

test('wrong arguments', () => {
  const queue = new SharedQueue();
  using set = new SharedSet();
  expect(() => new SharedQueue({ capacity: 0 })).toThrow(coded('ERR_INVALID_ARG_VALUE'));
  expect(() => new SharedQueue(any({ size: 5 }))).toThrow(coded('ERR_INVALID_ARG_VALUE'));
  expect(() => queue.push(0.5)).toThrow(coded('ERR_OUT_OF_RANGE'));
  expect(() => queue.push(2 ** 31)).toThrow(coded('ERR_OUT_OF_RANGE'));
  expect(() => queue.push(any('1'))).toThrow(coded('ERR_INVALID_ARG_TYPE'));
  expect(() => queue.take()).toThrow(coded('ERR_MAIN_THREAD'));
  expect(() => queue.take({ timeoutMs: 501 })).toThrow(coded('ERR_OUT_OF_RANGE'));
  expect(() => SharedQueue.open(any(null))).toThrow(coded('ERR_INVALID_ARG_TYPE'));
  expect(() => SharedQueue.open(set.share())).toThrow(coded('ERR_INVALID_ARG_VALUE'));
});
