/** However a process ends that is in the middle of everything: it does end, and as it was told to. */
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

const ENDS = [
  { way: 'exit', code: 3, printed: 'ready\n' },
  { way: 'throw', code: 1, printed: 'ready\n' },
  { way: 'destroy', code: 0, printed: 'ready\n' },
  { way: 'shutdown', code: 0, printed: 'ready\ncut true\n' },
];

test.each(['thread', 'libuv'].flatMap((waiter) => ENDS.map((end) => ({ waiter, ...end }))))(
  'by $way, with the waiter $waiter',
  async ({ way, waiter, code, printed }) => {
    const child = runTs('test/net/programs/exits.ts', { args: [way, waiter] });
    expect(await child.exit()).toEqual({ code, signal: null });
    expect(child.stdout).toBe(printed);
    expect(child.stderr).toEqual(way === 'throw' ? expect.stringContaining('not caught') : '');
  },
);

test('by the end of a worker that is terminated, which leaves no fd', async () => {
  const child = runTs('test/net/programs/exits.ts', { args: ['terminate'] });
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect([child.stdout, child.stderr]).toEqual(['ready\nleft 0\n', '']);
});
