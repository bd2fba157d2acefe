/**
 * Threads on one shared set: nothing is lost, nothing is served by two, whatever thread ends when.
 * CHURN=20000 makes the churn as long as one likes.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SharedSet } from '../../../src/cluster/shared/shared-set';
import type { SharedSetOptions } from '../../../src/cluster/shared/shared-set-options';
import { ADDRESS_BYTES, decodeAddress, encodeAddress } from '../../../src/sys/address';
import * as constants from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { close } from '../../../src/sys/io';
import { bind, getsockname, listen, socket } from '../../../src/sys/socket';
import { type FdWatcher, watch } from '../../../src/watch/fd-watcher';
import { ROOT } from '../../support/child';
import { client as connected } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { socketCount } from '../../support/open-fds';
import { Random } from '../../support/random';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';
import { client, manyClients } from './programs/clients';
import { acceptAll, COUNTER, KIND, RECORD_BYTES, type ThreadData } from './programs/rig';

expectNoFdLeaks();

const { AF_INET, EPOLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;
const CONNECTIONS = Number(process.env['CHURN'] ?? 2_000);

const pools = new Set<Pool>();

afterEach(async () => {
  for (const pool of pools) await pool.cut();
});

/** A listener in a set, and threads round it. */
class Pool {
  readonly set: SharedSet;
  readonly port: number;
  readonly counters = new Int32Array(new SharedArrayBuffer(64));
  readonly threads: Worker[] = [];
  readonly #maxEvents: number;
  readonly #listener: number;
  readonly #watcher: FdWatcher | null = null;

  constructor(options: SharedSetOptions = {}, acceptHere = false) {
    this.#maxEvents = options.maxEvents ?? 16;
    this.set = new SharedSet({ recordBytes: RECORD_BYTES, ...options });
    const fd = unwrap(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket');
    unwrap(bind(fd, encodeAddress({ address: '127.0.0.1', port: 0 })), 'bind');
    unwrap(listen(fd, 4096), 'listen');
    const bytes = new Uint8Array(ADDRESS_BYTES);
    this.port = decodeAddress(bytes.subarray(0, getsockname(fd, bytes)))?.port as number;
    const record = new Uint8Array(Int32Array.of(KIND.listener).buffer);
    if (acceptHere) this.#watcher = watch(fd, () => acceptAll(this.set, fd, this.counters));
    else this.set.add(fd, EPOLLIN, { record, outlivesHolder: true });
    this.#listener = fd;
    pools.add(this);
  }

  async start(way = 'serve'): Promise<Worker> {
    const workerData: ThreadData = {
      handle: this.set.share(),
      way,
      maxEvents: this.#maxEvents,
      counters: this.counters,
    };
    const script = join(ROOT, 'test/cluster/shared/programs/set-thread.ts');
    const thread = new Worker(script, { execArgv: [...RUNS_TYPESCRIPT], workerData });
    thread.on('error', (error) => {
      throw error;
    });
    this.threads.push(thread);
    await next(thread, 'message');
    return thread;
  }

  async kill(thread: Worker): Promise<void> {
    this.threads.splice(this.threads.indexOf(thread), 1);
    await thread.terminate();
  }

  count(name: keyof typeof COUNTER): number {
    return Atomics.load(this.counters, COUNTER[name]);
  }

  /** Stop all threads. Returns how many messages each served. */
  async end(): Promise<number[]> {
    const said = this.threads.map(async (thread) => {
      const exited = next(thread, 'exit');
      const [{ served }] = await next<[{ served: number }]>(thread, 'message');
      await exited;
      return served;
    });
    this.set.stop();
    const served = await Promise.all(said);
    this.#close();
    return served;
  }

  /** After a test that failed in the middle. */
  async cut(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.terminate()));
    this.#close();
  }

  /** A client sees its connection closed a moment before the thread has freed the slot. */
  async settled(): Promise<void> {
    await until(() => this.set.stats().held === 0);
  }

  #close(): void {
    if (!pools.delete(this)) return;
    this.set.close();
    this.#watcher?.close();
    if (this.#watcher !== null) close(this.#listener);
  }
}

test(`${CONNECTIONS} connections with tagged bytes over four threads: none is lost or mixed`, async () => {
  const before = socketCount();
  const pool = new Pool({ slots: 64 });
  await Promise.all([1, 2, 3, 4].map(() => pool.start()));
  const outcomes = await manyClients(CONNECTIONS, 40, (id) => client(pool.port, id, 3));
  expect(outcomes).toEqual({ whole: CONNECTIONS, cut: 0, wrong: 0 });
  await pool.settled();
  expect(pool.set.stats()).toMatchObject({ armed: 1, held: 0, threads: 5 });
  const served = await pool.end();
  expect({
    accepted: pool.count('accepted'),
    served: pool.count('served'),
    together: pool.count('together'),
    mixed: pool.count('mixed'),
    refused: pool.count('refused'),
  }).toEqual({
    accepted: CONNECTIONS,
    served: 3 * CONNECTIONS,
    together: 0,
    mixed: 0,
    refused: 0,
  });
  // How it spreads is the kernel's business; one thread alone would be no churn.
  expect(served.filter((messages) => messages > 0).length).toBeGreaterThan(1);
  expect(socketCount()).toBe(before);
});

test('without oneshot the same threads are in one socket at the same time', async () => {
  const pool = new Pool({ oneshot: false });
  await Promise.all([1, 2, 3, 4].map(() => pool.start()));
  const sockets = await Promise.all(Array.from({ length: 8 }, () => connected(pool.port)));
  for (const one of sockets) one.resume();
  await until(() => {
    for (const one of sockets) one.write(Buffer.alloc(4096));
    return pool.count('together') > 0;
  });
  await pool.end();
  await Promise.all(sockets.map((one) => one.closed || next(one, 'close')));
});

test('a thread that is terminated with a socket in its hands: the client sees it, the others go on', async () => {
  const before = socketCount();
  const pool = new Pool({ maxEvents: 1 });
  const doomed = await pool.start('hold');
  const lost = await connected(pool.port);
  lost.write('12345678');
  await next(doomed, 'message');
  expect(pool.set.stats()).toMatchObject({ armed: 1, held: 1, threads: 2 });
  await pool.start();
  const closed = next(lost, 'close');
  await pool.kill(doomed);
  // Nobody but the thread that waits looks after it.
  await closed;
  expect(await client(pool.port, 1, 20)).toBe('whole');
  await pool.settled();
  expect(pool.set.stats()).toMatchObject({ armed: 1, held: 0, threads: 2 });
  await pool.end();
  await until(() => socketCount() === before);
});

test('where no thread is left, reap closes what the last one held', async () => {
  const pool = new Pool({ maxEvents: 1 });
  const doomed = await pool.start('hold');
  const lost = await connected(pool.port);
  lost.write('x');
  await next(doomed, 'message');
  const closed = next(lost, 'close');
  await pool.kill(doomed);
  expect([pool.set.reap(), pool.set.reap()]).toEqual([1, 0]);
  await closed;
  expect(pool.set.stats()).toMatchObject({ armed: 1, held: 0, threads: 1 });
  await pool.end();
});

test.each([1, 2])(
  'threads terminated at random moments, seed %d: no client waits without end, none gets another’s bytes',
  async (seed) => {
    const before = socketCount();
    const random = new Random(seed);
    const pool = new Pool({ maxEvents: 1, slots: 128 }, true);
    await Promise.all([1, 2, 3].map(() => pool.start()));
    const kills = 12;
    let replies = 0;
    let isOver = false;
    const clients = manyClients(600, 24, (id) =>
      client(pool.port, id, 10, () => {
        replies += 1;
      }),
    ).finally(() => {
      isOver = true;
    });
    for (let kill = 0; kill < kills && !isOver; kill += 1) {
      const mark = replies + random.below(200);
      await until(() => replies >= mark || isOver);
      await pool.kill(pool.threads[random.below(pool.threads.length)] as Worker);
      await pool.start();
    }
    const { whole, cut, wrong } = await clients;
    // A thread has one slot in its hands, or none.
    expect({ sum: whole + cut, wrong, few: cut <= kills }).toEqual({
      sum: 600,
      wrong: 0,
      few: true,
    });
    expect(pool.count('together') + pool.count('mixed') + pool.count('refused')).toBe(0);
    await pool.end();
    await until(() => socketCount() === before);
  },
);

test('stop wakes all threads at once, and each leaves in order', async () => {
  const pool = new Pool();
  await Promise.all(Array.from({ length: 4 }, () => pool.start()));
  expect(pool.set.stats()).toMatchObject({ armed: 1, held: 0, threads: 5 });
  expect(await pool.end()).toEqual([0, 0, 0, 0]);
});

test('the last to leave need not be the maker: threads that end after it close all', async () => {
  const pool = new Pool();
  const threads = await Promise.all([pool.start(), pool.start('idle')]);
  const peer = await connected(pool.port);
  pool.set.stop();
  pool.set.close();
  await next(threads[0] as Worker, 'exit');
  const other = threads[1] as Worker;
  expect(peer.closed).toBe(false);
  // Nobody is left to close the set of a thread that is terminated: so it must be asked to.
  other.postMessage('close');
  await next(other, 'exit');
  await until(() => peer.closed);
});
