/** Fd numbers with many owners: no event and no byte ever comes to the wrong one. */
import { expectNoFdLeaks } from '../support/fd-leaks';
import { churn } from './programs/churn';

expectNoFdLeaks();

const ROUNDS = 300;

describe.each(['level', 'edge'] as const)('%s-triggered', (trigger) => {
  test.each([1, 20_240_531])(
    'connections that are killed at random, seed %d: no tag crosses, nothing is left',
    async (seed) => {
      const report = await churn({ seed, rounds: ROUNDS, trigger });
      expect(report).toMatchObject({ crossed: 0, watched: 0, timers: 0 });
      // It was a churn: numbers had many owners, also within a batch.
      expect(report.reused).toBeGreaterThan(ROUNDS);
      expect(report.stale).toBeGreaterThan(ROUNDS);
      expect(report.messages).toBeGreaterThan(ROUNDS);
      const known = new Set(['none', 'ECONNRESET', 'EPIPE']);
      expect(Object.keys(report.ends).filter((code) => !known.has(code))).toEqual([]);
    },
    120_000,
  );
});
