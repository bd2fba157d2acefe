import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

/** By hand, give the program 100,000. */
const CALLS = 5_000;

test(`${CALLS} wrong arguments at every function: each refused, no crash, no fd`, async () => {
  const seed = Math.floor(Math.random() * 2 ** 30) + 1;
  const storm = runTs('test/sys/programs/argument-storm.ts', {
    args: [String(CALLS), String(seed)],
  });
  const exit = await storm.exit();
  expect({ ...exit, stderr: storm.stderr, seed }).toEqual({
    code: 0,
    signal: null,
    stderr: '',
    seed,
  });
  const { functions, calls, fdsBefore, fdsAfter } = JSON.parse(storm.stdout);
  expect(calls).toBe(CALLS);
  expect(functions).toBeGreaterThanOrEqual(41);
  expect(fdsAfter).toBe(fdsBefore);
});
