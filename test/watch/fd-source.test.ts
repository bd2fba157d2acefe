import { waiterThreads } from '../../src/loop/waiter-pool';
import { EPOLLIN } from '../../src/sys/constants';
import { EventFd } from '../../src/watch/sources/event-fd';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { watchedMask } from '../support/fdinfo';
import { closeNow, put } from '../support/fds';
import { letters, ownLoop, record } from '../support/letters';
import { marker } from '../support/marker';
import { next, until } from '../support/until';

expectNoFdLeaks();

describe('reading', () => {
  test('starts with the first listener, and earlier records are emitted', async () => {
    const { source, peer } = letters();
    put(peer, 'early');
    await marker();
    expect(source.reads).toBe(0);
    const heard = record(source);
    await until(() => heard.length === 5);
    expect(heard.join('')).toBe('early');
  });

  test.each(['on', 'addListener', 'once'] as const)('%s starts it again', async (method) => {
    const { source, peer } = letters();
    put(peer, 'x');
    await marker();
    const letter = await new Promise((resolve) => source[method]('letter', resolve));
    expect(letter).toBe('x');
  });

  test('is not started by listeners for other events', async () => {
    const { source, peer } = letters();
    source.on('error', () => {});
    source.on('close', () => {});
    put(peer, 'x');
    await marker();
    expect(source.reads).toBe(0);
  });

  test('rests when the last listener goes, and the fd is then watched for nothing', async () => {
    const loop = ownLoop();
    const { source, peer } = letters({ loop });
    const heard: string[] = [];
    const listener = (letter: string): void => {
      heard.push(letter);
    };
    source.on('letter', listener);
    put(peer, 'a');
    await until(() => heard.length === 1);
    source.off('letter', listener);
    const { reads } = source;
    put(peer, 'b');
    await until(() => ((watchedMask(loop, source.fd) as number) & EPOLLIN) === 0);
    put(peer, 'c');
    await marker(loop);
    expect(source.reads).toBe(reads);
    source.on('letter', listener);
    await until(() => heard.length === 3);
    expect(heard).toEqual(['a', 'b', 'c']);
  });

  test('a ready fd without a listener does not keep the loop busy', async () => {
    const loop = ownLoop();
    const { peer } = letters({ loop });
    put(peer, 'x');
    await until(() => loop.stats().events > 0);
    // Each marker is an event; a busy loop would have another one with each.
    await marker(loop, 10);
    expect(loop.stats().events).toBeLessThan(15);
  });

  test('nor does a hang-up, which cannot be masked; and its end is emitted when there is a taker', async () => {
    const loop = ownLoop();
    const { source, peer } = letters({ loop });
    put(peer, 'last');
    closeNow(peer);
    await until(() => loop.stats().events > 0);
    // Until its waiter has started, a loop polls.
    await until(() => waiterThreads().every(({ state }) => state === 'waiting'));
    const { events } = loop.stats();
    await marker(loop, 10);
    expect(loop.stats().events - events).toBe(10);
    const heard = record(source);
    await next(source, 'close');
    expect(heard.join('')).toBe('last');
  });

  test('gives other fds their turn', async () => {
    const loop = ownLoop();
    using busy = new EventFd({ initial: 1_000, semaphore: true, loop });
    using other = new EventFd({ initial: 1, loop });
    let reads = 0;
    busy.on('count', () => {
      reads += 1;
    });
    let readsBefore = Infinity;
    other.on('count', () => {
      readsBefore = reads;
    });
    await until(() => reads === 1_000);
    expect(readsBefore).toBeLessThanOrEqual(16);
  });
});

describe('what one read brings too much', () => {
  test('is kept for the next `once`, in order', async () => {
    const { source, peer } = letters();
    put(peer, 'abc');
    expect(await next(source, 'letter')).toEqual(['a']);
    expect(await next(source, 'letter')).toEqual(['b']);
    put(peer, 'd');
    const heard = record(source);
    await until(() => heard.length === 2);
    expect(heard).toEqual(['c', 'd']);
  });

  test('is not emitted to a listener while it is being added', async () => {
    const { source, peer } = letters();
    put(peer, 'ab');
    await next(source, 'letter');
    const heard = record(source);
    expect(heard).toEqual([]);
    await until(() => heard.length === 1);
  });

  test('keeps its place when a listener comes back during the read', async () => {
    const { source, peer } = letters();
    const heard: string[] = [];
    const again = (letter: string): void => {
      heard.push(letter);
      if (letter !== 'c') source.once('letter', again);
      else setImmediate(() => source.once('letter', again));
    };
    source.once('letter', again);
    put(peer, 'abcdef');
    await until(() => heard.length === 6);
    expect(heard.join('')).toBe('abcdef');
  });

  test('goes to an iterator that is made later', async () => {
    const { source, peer } = letters();
    put(peer, 'abc');
    await next(source, 'letter');
    const iterator = source[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: 'b' });
    expect(await iterator.next()).toEqual({ done: false, value: 'c' });
  });
});

describe('the iterator', () => {
  test('is one and the same, and reads only when it is asked', async () => {
    using source = new EventFd({ initial: 3, semaphore: true });
    const iterator = source[Symbol.asyncIterator]();
    expect(source[Symbol.asyncIterator]()).toBe(iterator);
    const heard: bigint[] = [];
    source.on('count', (count) => heard.push(count));
    await marker();
    expect(heard).toEqual([]);
    await iterator.next();
    await marker();
    expect(heard).toHaveLength(1);
  });

  test('answers several steps at once, in order', async () => {
    const { source, peer } = letters();
    const iterator = source[Symbol.asyncIterator]();
    const steps = Promise.all([iterator.next(), iterator.next(), iterator.next()]);
    put(peer, 'a');
    await marker();
    put(peer, 'bc');
    expect((await steps).map(({ value }) => value)).toEqual(['a', 'b', 'c']);
  });

  test('hands out what it has before the end', async () => {
    const { source, peer } = letters();
    put(peer, 'abc');
    closeNow(peer);
    const seen: string[] = [];
    for await (const letter of source) seen.push(letter);
    expect(seen.join('')).toBe('abc');
    expect(source.closed).toBe(true);
  });

  test('hands out what it has after a close, and before the reason of an abort', async () => {
    for (const reason of [undefined, new Error('enough')]) {
      const controller = new AbortController();
      const { source, peer } = letters({ signal: controller.signal });
      const iterator = source[Symbol.asyncIterator]();
      put(peer, 'ab');
      expect((await iterator.next()).value).toBe('a');
      if (reason === undefined) source.close();
      else controller.abort(reason);
      expect((await iterator.next()).value).toBe('b');
      if (reason === undefined) expect((await iterator.next()).done).toBe(true);
      else await expect(iterator.next()).rejects.toBe(reason);
      expect((await iterator.next()).done).toBe(true);
    }
  });

  test('has nothing more when it was left', async () => {
    const { source, peer } = letters();
    put(peer, 'abc');
    for await (const letter of source) {
      expect(letter).toBe('a');
      break;
    }
    expect(source.closed).toBe(true);
    const iterator = source[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  test('of a source that is closed ends at once', async () => {
    const { source } = letters();
    source.close();
    expect(await source[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
  });
});
