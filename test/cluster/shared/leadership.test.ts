/** One leader at a time, always; and another one when it dies. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Leadership } from '../../../src/cluster/shared/leadership';
import { SharedSet } from '../../../src/cluster/shared/shared-set';
import { ROOT } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { Random } from '../../support/random';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const coded = (code: string): Error => expect.objectContaining({ code });
// biome-ignore lint/suspicious/noExplicitAny: the point is to call with what the types forbid.
const any = (value: unknown): any => value;

describe('in one thread', () => {
  test('the first to join leads, until it promotes; the other may lead then', () => {
    using a = new Leadership();
    using b = Leadership.open(a.share());
    expect([a.leads, b.leads]).toEqual([false, false]);
    expect([a.join({ timeoutMs: 0 }), b.join({ timeoutMs: 0 })]).toEqual([true, false]);
    expect([a.leads, b.leads, a.join()]).toEqual([true, false, true]);
    expect(() => b.promote()).toThrow(coded('ERR_NOT_LEADER'));
    a.promote();
    expect(() => a.promote()).toThrow(coded('ERR_NOT_LEADER'));
    expect([b.join(), b.leads, a.leads]).toEqual([true, true, false]);
  });

  test('a leader that closes gives up the lead first', () => {
    using a = new Leadership();
    const b = Leadership.open(a.share());
    expect(b.join()).toBe(true);
    b.close();
    b.close();
    expect([b.leads, a.join({ timeoutMs: 0 })]).toEqual([false, true]);
    expect(() => b.join()).toThrow(coded('ERR_SHARED_CLOSED'));
  });

  test('the main thread may not sleep', () => {
    using a = new Leadership();
    using b = Leadership.open(a.share());
    b.join();
    expect(() => a.join()).toThrow(coded('ERR_MAIN_THREAD'));
  });

  test('after stop nobody leads any more', () => {
    using a = new Leadership();
    using b = Leadership.open(a.share());
    a.stop();
    expect([b.stopped, a.join(), b.join()]).toEqual([true, false, false]);
  });

  test('wrong arguments', () => {
    using a = new Leadership();
    using set = new SharedSet();
    expect(() => a.join({ timeoutMs: 501 })).toThrow(coded('ERR_OUT_OF_RANGE'));
    expect(() => a.join(any({ timeout: 1 }))).toThrow(coded('ERR_INVALID_ARG_VALUE'));
    expect(() => Leadership.open(any(undefined))).toThrow(coded('ERR_INVALID_ARG_TYPE'));
    expect(() => Leadership.open(set.share())).toThrow(coded('ERR_INVALID_ARG_VALUE'));
  });

  test('no more than 255 threads', () => {
    using a = new Leadership();
    const others = Array.from({ length: 254 }, () => Leadership.open(a.share()));
    expect(() => Leadership.open(a.share())).toThrow(coded('ERR_TOO_MANY_THREADS'));
    others.pop()?.close();
    a.reap();
    others.push(Leadership.open(a.share()));
    for (const other of others) other.close();
  });
});

describe('threads', () => {
  const words = new Int32Array(new SharedArrayBuffer(12));
  const leads = (): number => Atomics.load(words, 2);
  let leadership: Leadership;
  let threads: Worker[];

  beforeEach(() => {
    words.fill(0);
    leadership = new Leadership();
    threads = [];
  });

  async function start(way = 'lead'): Promise<Worker> {
    const thread = new Worker(join(ROOT, 'test/cluster/shared/programs/lead-thread.ts'), {
      execArgv: [...RUNS_TYPESCRIPT],
      workerData: { handle: leadership.share(), way, words },
    });
    threads.push(thread);
    await next(thread, 'message');
    return thread;
  }

  async function kill(thread: Worker): Promise<void> {
    threads.splice(threads.indexOf(thread), 1);
    await thread.terminate();
  }

  async function end(): Promise<number[]> {
    const said = threads.map(async (thread) => {
      const exited = next(thread, 'exit');
      const [{ leads }] = await next<[{ leads: number }]>(thread, 'message');
      await exited;
      return leads;
    });
    leadership.stop();
    const counts = await Promise.all(said);
    leadership.close();
    return counts;
  }

  test('there are never two, and no lead is lost', async () => {
    await Promise.all([1, 2, 3].map(() => start()));
    const mark = leads() + 2_000;
    await until(() => leads() > mark);
    const counts = await end();
    expect(words[1]).toBe(0);
    expect(counts.reduce((sum, count) => sum + count)).toBe(leads());
  });

  test('a leader that is terminated is followed by another', async () => {
    const doomed = await start('hold');
    // It may have said so before this thread listens.
    await until(() => leads() === 1);
    await start();
    expect(leads()).toBe(1);
    await kill(doomed);
    await until(() => leads() > 1);
    expect(leadership.takeovers).toBe(1);
    await end();
    expect(words[1]).toBe(0);
  });

  test('reap takes the lead from the dead at once', async () => {
    const doomed = await start('hold');
    await until(() => leads() === 1);
    expect(leadership.join({ timeoutMs: 0 })).toBe(false);
    await kill(doomed);
    expect([leadership.reap(), leadership.join({ timeoutMs: 0 })]).toEqual([1, true]);
    await end();
  });

  test.each([3, 4])('terminated at random moments, seed %d: it goes on', async (seed) => {
    const random = new Random(seed);
    await Promise.all([1, 2, 3].map(() => start()));
    for (let round = 0; round < 10; round += 1) {
      const mark = leads() + random.below(500);
      await until(() => leads() > mark);
      await kill(threads[random.below(threads.length)] as Worker);
      // The one that was killed may have counted itself.
      await start();
    }
    const mark = leads() + 100;
    await until(() => leads() > mark);
    await end();
  });
});
