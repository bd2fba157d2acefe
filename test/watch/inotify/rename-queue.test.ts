/** The two halves of a rename, put together or not, under a clock of the test. */

import { IN_CREATE, IN_MOVED_FROM, IN_MOVED_TO } from '../../../src/sys/constants';
import { type QueuedChange, RenameQueue } from '../../../src/watch/inotify/rename-queue';

const WAIT_MS = 50;
let queue: RenameQueue;
beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  queue = new RenameQueue(WAIT_MS);
});
afterEach(() => jest.useRealTimers());

function push(mask: number, cookie: number, name: string): void {
  queue.push({ wd: 1, mask, cookie, name: Buffer.from(name) });
}

/** The names of all that may be told now; both of a rename. */
function told(): string[] {
  const names: string[] = [];
  for (let next: QueuedChange | null = queue.next(); next !== null; next = queue.next()) {
    const { event, movedTo } = next;
    names.push(movedTo === null ? `${event.name}` : `${event.name} to ${movedTo.name}`);
  }
  return names;
}

test('what is no rename waits for nothing', () => {
  push(IN_CREATE, 0, 'a');
  push(IN_MOVED_TO, 7, 'from elsewhere');
  expect([queue.deadline, queue.endsInHalf]).toEqual([Infinity, false]);
  expect(told()).toEqual(['a', 'from elsewhere']);
});

test('the second half ends the wait, and is told with the first, in its place', () => {
  push(IN_MOVED_FROM, 7, 'old');
  expect([queue.deadline, queue.endsInHalf]).toEqual([WAIT_MS, true]);
  push(IN_CREATE, 0, 'between');
  expect(told()).toEqual([]);
  push(IN_MOVED_TO, 7, 'new');
  expect(queue.deadline).toBe(Infinity);
  expect(told()).toEqual(['old to new', 'between']);
});

test('a half waits for its time and no longer, and with it what stands behind', () => {
  push(IN_MOVED_FROM, 7, 'away');
  jest.advanceTimersByTime(WAIT_MS - 1);
  push(IN_CREATE, 0, 'behind');
  push(IN_MOVED_FROM, 8, 'away, later');
  expect(told()).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(told()).toEqual(['away', 'behind']);
  expect(queue.deadline).toBe(2 * WAIT_MS - 1);
  // Too late to be one with the first.
  push(IN_MOVED_TO, 7, 'back');
  jest.advanceTimersByTime(WAIT_MS);
  expect(told()).toEqual(['away, later', 'back']);
});

test('no more than 16,384 events are held back', () => {
  push(IN_MOVED_FROM, 7, 'away');
  for (let count = 1; count < 16_383; count += 1) push(IN_CREATE, 0, 'x');
  expect(told()).toEqual([]);
  push(IN_CREATE, 0, 'x');
  expect(told()).toHaveLength(16_384);
});
