import { EventFd } from '../../../src/watch/sources/event-fd';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { marker } from '../../support/marker';
import { next, until } from '../../support/until';

expectNoFdLeaks();

test('emits the sum of the additions since the last event', async () => {
  using counter = new EventFd({ initial: 2 });
  counter.add(3);
  counter.add(4n);
  expect(await next(counter, 'count')).toEqual([9n]);
});

test('a semaphore gives one at a time', async () => {
  using counter = new EventFd({ initial: 3, semaphore: true });
  const counts: bigint[] = [];
  counter.on('count', (count) => counts.push(count));
  await until(() => counts.length === 3);
  expect(counts).toEqual([1n, 1n, 1n]);
});

test('add refuses what no counter can take, and says when the counter is full', () => {
  using counter = new EventFd();
  expect(counter.add(0xffff_ffff_ffff_fffen)).toBe(true);
  expect(counter.add(1)).toBe(false);
  for (const wrong of [-1, 0.5, Number.NaN, Infinity, -1n, 2n ** 64n - 1n]) {
    expect(() => counter.add(wrong)).toThrow(RangeError);
  }
  expect(() => counter.add('1' as never)).toThrow(TypeError);
  expect(() => new EventFd({ initial: -1 })).toThrow(/option "initial" of EventFd/);
});

test('nothing is read without a listener, and nothing is lost', async () => {
  using counter = new EventFd({ semaphore: true, initial: 3 });
  expect(await next(counter, 'count')).toEqual([1n]);
  // Two are left; the loop has had its turns and has not taken them.
  await marker();
  const late: bigint[] = [];
  counter.on('count', (count) => late.push(count));
  await until(() => late.length === 2);
});

test('the iterator takes what it asks for, and leaving it closes the fd', async () => {
  const counter = new EventFd({ semaphore: true, initial: 5 });
  const heard: bigint[] = [];
  counter.on('count', (count) => heard.push(count));
  let steps = 0;
  for await (const count of counter) {
    expect(count).toBe(1n);
    steps += 1;
    if (steps === 3) break;
  }
  expect(heard).toHaveLength(3);
  expect(counter.closed).toBe(true);
  expect(counter.fd).toBe(-1);
  expect(await counter[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
});

test('an abort ends the iterator with its reason', async () => {
  const controller = new AbortController();
  const counter = new EventFd({ signal: controller.signal });
  const step = counter[Symbol.asyncIterator]().next();
  controller.abort(new Error('enough'));
  await expect(step).rejects.toThrow('enough');
  expect(counter.closed).toBe(true);
});

test('add after close is refused', () => {
  const counter = new EventFd();
  counter.close();
  expect(() => counter.add(1)).toThrow('cannot add: the EventFd is closed');
});
