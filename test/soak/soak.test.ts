/** A small run of the soak, which is as the large one in all but its length. */
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

test('2,000 connections of all kinds leave nothing behind', async () => {
  const child = runTs('test/soak/main.ts', { args: ['--connections', '2000'] });
  const { code } = await child.exit();
  expect([child.stdout, code]).toEqual([expect.stringContaining('back at its base'), 0]);
  expect(child.stdout).toMatch(/wrong {7}none\n/);
  for (const kind of [
    'echo',
    'unix',
    'reset',
    'neverReads',
    'steadyReader',
    'halfFrame',
    'halfHead',
    'halfClosedRequest',
    'upgradeLeft',
    'pipelineNeverRead',
    'silent',
    'file',
  ]) {
    expect(child.stdout).toMatch(new RegExp(` ${kind} \\d`));
  }
  expect(child.stdout).toMatch(/churn, level .* 0 crossed\nchurn, edge .* 0 crossed\n/);
  // Who never reads and who says nothing is cut by a deadline.
  expect(child.stdout).toMatch(/ETIMEDOUT \d/);
}, 240_000);

test('an option that is no number is refused', async () => {
  const child = runTs('test/soak/main.ts', { args: ['--connections', 'many'] });
  expect((await child.exit()).code).toBe(1);
  expect(child.stderr).toContain('--connections');
}, 60_000);
