/** Runs the examples of threads round one epoll set, as their headers say, and reads their figures. */
import { type Child, runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

async function run(name: string, env: NodeJS.ProcessEnv = {}): Promise<Child> {
  const child = runTs(name, { env });
  expect([await child.exit(), child.stderr]).toEqual([{ code: 0, signal: null }, '']);
  return child;
}

test('oneshot-threads: without ONESHOT threads meet in a socket and answers mix, with it never', async () => {
  const { stdout } = await run('examples/oneshot-threads.ts');
  const [without = [], having = []] = stdout
    .split('\n')
    .map((line) => (line.match(/\d+/g) ?? []).map(Number));
  expect([without[0], having[0]]).toEqual([300, 300]);
  expect(without[1]).toBeGreaterThan(0);
  expect(without[2]).toBeGreaterThan(0);
  expect(having.slice(1)).toEqual([0, 0]);
}, 60_000);

test('leader-follower: one waits at a time, all lines come back, also without two threads', async () => {
  const { stdout } = await run('examples/leader-follower.ts');
  expect(stdout).toMatch(/^1000 of 1000 lines echoed\n/);
  const leads = [...stdout.matchAll(/thread \d: led (\d+) times/g)].map(([, times]) =>
    Number(times),
  );
  expect(leads).toHaveLength(4);
  // Each line was an event; two that came together may have been one.
  expect(leads.reduce((sum, times) => sum + times)).toBeGreaterThan(20);
  expect(stdout).toMatch(/a second thread waited beside the leader: 0 times\n/);
  expect(stdout).toMatch(/after two threads were terminated: 50 of 50 lines\n$/);
}, 60_000);

test('stages: both servers answer all, and the depth of the queues is shown', async () => {
  const { stdout } = await run('examples/stages.ts', { REQUESTS: '2000', CONNECTIONS: '20' });
  expect(stdout).toMatch(/^the deepest queues: receive \d+, logic \d+, send \d+\n/);
  for (const kind of ['stages', 'one loop']) {
    const form = `^${kind}: 2000 requests, \\d+ per CPU-second, p50 [\\d.]+ ms, p99 [\\d.]+ ms$`;
    expect(stdout).toMatch(new RegExp(form, 'm'));
  }
}, 60_000);
