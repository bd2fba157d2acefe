/** A waiter thread that cannot start for want of fds: its loop works, and the starts become rare. */
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

const GROWING = [200, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000];

async function withRoomFor(fds: number): Promise<unknown> {
  const child = runTs('test/loop/programs/scarce-fds.ts', { args: [`${fds}`] });
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  return JSON.parse(child.stdout.split('\n').at(-2) as string);
}

test('a full table at start: growing pauses, one warning, and the loop works', async () => {
  const outcome = { pauses: GROWING, warnings: 1, worked: true, waits: false };
  expect(await withRoomFor(0)).toEqual(outcome);
});

test.each([1, 7])('room for %i fds: the thread starts, or all is as with none', async (fds) => {
  const outcomes = [
    { pauses: GROWING, warnings: 1, worked: true, waits: false },
    { pauses: [200], warnings: 0, worked: true, waits: true },
  ];
  expect(outcomes).toContainEqual(await withRoomFor(fds));
});
