/** A small run of the storm, which is as the large one in all but its length. */
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

test('processes and workers that end at random moments never abort', async () => {
  const args = ['--scripts', '12', '--terminations', '10', '--matrix', '0'];
  const child = runTs('test/storm/main.ts', { args });
  const { code } = await child.exit();
  expect([child.stdout + child.stderr, code]).toEqual([expect.stringContaining('0 of them'), 0]);
}, 240_000);

test('an option that is no number is refused', async () => {
  const child = runTs('test/storm/main.ts', { args: ['--scripts', 'many'] });
  expect((await child.exit()).code).toBe(1);
  expect(child.stderr).toContain('--scripts');
}, 60_000);
