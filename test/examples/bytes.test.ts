/** Runs the examples of the ways of bytes as their headers say. */
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

test('write-readiness: what each answer costs', async () => {
  const child = runTs('examples/write-readiness.ts', { env: { MESSAGES: '100' } });
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stderr).toBe('');
  const row = (name: string): number[] => {
    const line = child.stdout.split('\n').find((text) => text.startsWith(name)) ?? '';
    return [...line.matchAll(/(\d+) (?:wake-ups|epoll_ctl)/g)].map(([, count]) => Number(count));
  };
  // Wake-ups and calls of epoll_ctl: for the messages, for a large block, for nothing.
  const [always, onDemand, sendFirst, edge] = ['(a)', '(b)', '(c)', '(d)'].map(row);
  expect(always).toHaveLength(6);
  expect(always?.[0]).toBeGreaterThanOrEqual(200);
  expect(always?.[4]).toBeGreaterThan(0);
  expect([always?.[1], always?.[3], always?.[5]]).toEqual([0, 0, 0]);
  expect(onDemand).toEqual([200, 200, expect.any(Number), 4, 0, 0]);
  expect(sendFirst).toEqual([100, 0, expect.any(Number), 2, 0, 0]);
  expect(edge).toEqual([100, 0, expect.any(Number), 0, 0, 0]);
}, 60_000);
