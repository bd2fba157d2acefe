/** A seat whose reactor ends at a bad moment: its siblings serve all clients, and the seat is filled again. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReactorPool } from '../../../src/cluster';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { next, until } from '../../support/until';
import { WORD } from '../programs/pool-gated';
import { ask, holder, program, started, stopLater } from './rig';

jest.setTimeout(60_000);
expectNoFdLeaks();

const MODULE = program('pool-gated.ts');

let words: Int32Array;
beforeEach(() => {
  words = new Int32Array(new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT));
});
afterEach(() => openGate());

function openGate(): void {
  Atomics.store(words, WORD.gate, 0);
  Atomics.notify(words, WORD.gate);
}

test('a reactor that ends while the pool’s thread has not yet seen it start has crashed', async () => {
  const path = join(makeFolder(), 'module.js');
  writeFileSync(
    path,
    `exports.start = ({ data }) => {
      process.on('exit', () => {
        Atomics.store(data, 0, 1);
        Atomics.notify(data, 0);
      });
      setImmediate(() => process.exit(7));
    };`,
  );
  const pool = stopLater(
    new ReactorPool({
      module: path,
      threads: 1,
      data: words,
      restart: { maxCrashes: 2, firstPauseMs: 1 },
    }),
  );
  const crashes: unknown[] = [];
  pool.on('crash', (error) => crashes.push(error));
  const error = next(pool, 'error');
  const start = pool.start();
  Atomics.wait(words, 0, 0);
  // The thread ends meanwhile: both of its reports are there when this one goes on.
  Atomics.wait(words, 1, 0, 300);
  await start;
  expect(await error).toEqual([expect.objectContaining({ code: 'ERR_REACTOR_CRASHES' })]);
  expect(crashes).toEqual(Array(2).fill(expect.objectContaining({ code: 'ERR_REACTOR_EXIT' })));
});

test.each(['single', 'shared', 'mutex', 'exclusive', 'oneshot'] as const)(
  'a replacement that does not start gets no client, %s',
  async (accept) => {
    const pool = await started({
      module: MODULE,
      accept,
      data: words,
      restart: { firstPauseMs: 1 },
    });
    const failed = new Promise<void>((resolve) => {
      let crashes = 0;
      pool.on('crash', () => {
        crashes += 1;
        if (crashes === 1) Atomics.store(words, WORD.fails, 1);
        if (crashes !== 2) return;
        Atomics.store(words, WORD.fails, 0);
        Atomics.store(words, WORD.gate, 1);
        resolve();
      });
    });
    pool.postMessage(0, 'exit');
    await failed;
    const held = [];
    for (let count = 0; count < 4; count += 1) held.push(await holder(pool));
    for (let count = 0; count < 4; count += 1) expect(await ask(pool, 'on')).toBe('1 on\n');
    expect(held.map(({ index }) => index)).toEqual([1, 1, 1, 1]);
    const online = next(pool, 'online');
    openGate();
    expect(await online).toEqual([0]);
    for (const { socket } of held) socket.destroy();
    expect(await ask(pool, 'whole')).toMatch(/^[01] whole\n$/);
  },
);

test.each(['oneshot', 'mutex', 'exclusive', 'shared'] as const)(
  'a reactor that spins while it accepts is replaced by restart, and the pool accepts, %s',
  async (accept) => {
    const pool = await started({ module: MODULE, accept, data: words });
    Atomics.store(words, WORD.spins, 1);
    const lost = ask(pool, 'lost').catch((error) => error.code);
    await until(() => Atomics.load(words, WORD.spins) === 2);
    await pool.restart({ deadlineMs: 0 });
    expect(await lost).toMatch(/^$|ECONNRESET/);
    for (let count = 0; count < 4; count += 1) {
      expect(await ask(pool, 'on')).toMatch(/^[01] on\n$/);
    }
  },
);

test('a reactor that crashes while its replacement starts has one successor, and that gets clients', async () => {
  const pool = await started({ module: MODULE, threads: 1, accept: 'single', data: words });
  const held = await holder(pool);
  const crash = next(pool, 'crash');
  let online = 0;
  pool.on('online', () => {
    online += 1;
  });
  // The replacement waits until the crash was seen.
  Atomics.store(words, WORD.gate, 1);
  const restart = pool.restart({ deadlineMs: 0 });
  pool.postMessage(0, 'exit');
  await crash;
  expect(await held.ended).toMatch(/end|ECONNRESET/);
  openGate();
  await restart;
  for (let count = 0; count < 3; count += 1) expect(await ask(pool, 'on')).toBe('0 on\n');
  // One that is started twice would come by now.
  await pool.restart({ deadlineMs: 0 });
  expect(online).toBe(2);
  expect((await pool.stats()).reactors.map((stats) => stats?.connections)).toEqual([0]);
});

test('a restart that fails leaves the reactor that runs, and the next one succeeds', async () => {
  const pool = await started({ module: MODULE, accept: 'oneshot', data: words });
  Atomics.store(words, WORD.fails, 1);
  await expect(pool.restart()).rejects.toMatchObject({ code: 'ERR_REACTOR_MODULE' });
  for (let count = 0; count < 4; count += 1) expect(await ask(pool, 'on')).toMatch(/^[01] on\n$/);
  Atomics.store(words, WORD.fails, 0);
  await pool.restart();
  for (let count = 0; count < 4; count += 1) expect(await ask(pool, 'on')).toMatch(/^[01] on\n$/);
  expect((await pool.stats()).crashes).toBe(0);
});
