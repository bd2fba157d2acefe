/** Processes that end with four reactors under load, or while these start: none aborts, none hangs. */

import { runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';

expectNoFdLeaks();

const CODES = { exit: 0, throw: 1, reject: 1, exitInExit: 0, stop: 0 };
const cases = Object.entries(CODES).flatMap(([way, code]) =>
  ['starting', 'serving'].map((moment) => [way, moment, code] as const),
);

test.each(cases)('%s, %s', async (way, moment, code) => {
  const child = runTs('test/cluster/programs/pool-exit.ts', { args: [way, moment] });
  expect(await child.exit()).toEqual({ code, signal: null });
});
