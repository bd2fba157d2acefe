/** Every way to accept serves every client once. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ACCEPT_STRATEGIES } from '../../../src/cluster/accept/ticket';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { ask, started } from './rig';

jest.setTimeout(60_000);
expectNoFdLeaks();

const CLIENTS = 200;
const AT_ONCE = 50;

/** Ask `CLIENTS` times with a tag of its own each. Returns the answers by reactor. */
async function askAll(pool: Awaited<ReturnType<typeof started>>): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  const tags = Array.from({ length: CLIENTS }, (_, index) => `tag-${index}`).values();
  const work = async (): Promise<void> => {
    for (const tag of tags) {
      const answer = await ask(pool, tag);
      const [, index, echoed] = /^(\d) (.*)\n$/.exec(answer) ?? [];
      expect(echoed).toBe(tag);
      counts.set(Number(index), (counts.get(Number(index)) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return counts;
}

test.each(ACCEPT_STRATEGIES)('%s', async (accept) => {
  const pool = await started({ accept, threads: 4 });
  const counts = await askAll(pool);
  expect([...counts.values()].reduce((sum, count) => sum + count)).toBe(CLIENTS);
  const { accepted, connections, reactors } = await pool.stats();
  expect([accepted, connections]).toEqual([CLIENTS, 0]);
  for (const [index, stats] of reactors.entries()) {
    expect(stats?.accepted).toBe(counts.get(index) ?? 0);
  }
  expect(await pool.stop()).toEqual({ ended: 0, cut: 0 });
});

test('single: round robin gives each reactor as many', async () => {
  const pool = await started({ accept: 'single', threads: 4 });
  const counts = await askAll(pool);
  expect([...counts.values()]).toEqual(Array(4).fill(CLIENTS / 4));
});

test('single: least connections passes over the reactor that has more', async () => {
  const pool = await started({ accept: 'single', balance: 'least-connections' });
  expect((await askAll(pool)).size).toBe(2);
});

test('reuseport, spread by CPU', async () => {
  const pool = await started({ accept: 'reuseport', spreadByCpu: true });
  const counts = await askAll(pool);
  expect([...counts.values()].reduce((sum, count) => sum + count)).toBe(CLIENTS);
});

test.each(ACCEPT_STRATEGIES.filter((name) => name !== 'reuseport'))(
  'a unix socket, %s: its file goes with the pool',
  async (accept) => {
    const folder = makeFolder();
    const path = join(folder, 'pool.sock');
    const pool = await started({ accept, listen: { path }, data: { unix: true } });
    expect((await askAll(pool)).size).toBeGreaterThan(0);
    await pool.stop();
    expect(readdirSync(folder)).toEqual([]);
  },
);

test('exclusive wakes fewer threads for a client than the herd does', async () => {
  const sleeps: number[] = [];
  for (const accept of ['shared', 'exclusive'] as const) {
    const pool = await started({ accept, threads: 4, lagResolutionMs: 0 });
    const before = (await pool.stats()).sleeps;
    // One after the other, so that all threads sleep when a client comes.
    for (let count = 0; count < 50; count += 1) await ask(pool, 'x');
    sleeps.push((await pool.stats()).sleeps - before);
    await pool.stop();
  }
  const [shared, exclusive] = sleeps as [number, number];
  expect(exclusive).toBeLessThan(shared);
});
