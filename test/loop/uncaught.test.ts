import { runTs } from '../support/child';

test('what a handler throws is uncaught after the batch, and the others are served', async () => {
  const child = runTs('test/loop/programs/uncaught.ts');
  const exit = await child.exit();
  expect(exit).toEqual({ code: 0, signal: null });
  const lines = child.stdout.trim().split('\n');
  expect(JSON.parse(lines.at(-1) as string)).toEqual([
    'served a',
    'served b',
    'served c',
    'caught a',
    'caught b',
    'timer',
    'caught timer',
    'revoked a',
    'revoked b',
    'caught revoked a',
    'caught revoked b',
  ]);
});
