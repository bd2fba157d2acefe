/** Two copies of the package in one thread share what Node allows once only. */
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

test('two copies in a worker own the same fd number without aborting Node', async () => {
  const child = runTs('test/sys/programs/two-copies-main.ts');
  expect([await child.exit(), child.stdout]).toEqual([
    { code: 0, signal: null },
    'same number true\n',
  ]);
});
