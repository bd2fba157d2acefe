import { EventLoop } from '../../src/loop/event-loop';
import { waiterThreads } from '../../src/loop/waiter-pool';
import { EPOLLIN, F_DUPFD_CLOEXEC, F_GETFD } from '../../src/sys/constants';
import { errno } from '../../src/sys/errno';
import { close, fcntl, read } from '../../src/sys/io';
import { EventFd } from '../../src/watch/event-fd';
import { FdSource, type FdSourceOptions } from '../../src/watch/fd-source';
import { FdWatcher } from '../../src/watch/fd-watcher';
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { watchedMask } from '../support/fdinfo';
import { closeLater, closeNow, counter, pair, put } from '../support/fds';
import { next, until } from '../support/until';

expectNoFdLeaks();

const buffer = Buffer.alloc(64);

/** Takes over one end of a pair; each byte is a record, so one read may bring many. */
class Letters extends FdSource<'letter', string> {
  reads = 0;
  released = 0;

  constructor(fd: number, options: FdSourceOptions = {}) {
    let count = 0;
    const release = (): void => {
      count += 1;
      this.released = count;
    };
    super(fd, { ...options, event: 'letter', release });
  }

  protected override readOnce(fd: number): number {
    this.reads += 1;
    const outcome = read(fd, buffer);
    for (const letter of buffer.toString('latin1', 0, Math.max(outcome, 0))) this.deliver(letter);
    return outcome;
  }
}

const sources: FdSource<string, unknown>[] = [];
const loops: EventLoop[] = [];
afterEach(() => {
  for (const source of sources.splice(0)) source.close();
  for (const loop of loops.splice(0)) loop.close();
});

function letters(options: FdSourceOptions = {}): { source: Letters; peer: number } {
  const [peer, other] = pair();
  const source = new Letters(fcntl(other, F_DUPFD_CLOEXEC, 0), options);
  closeNow(other);
  sources.push(source);
  return { source, peer };
}

/** What was told of the letters so far. */
function record(source: Letters): string[] {
  const heard: string[] = [];
  source.on('letter', (letter) => heard.push(letter));
  return heard;
}

/** A loop of its own, whose counters nobody else moves. */
function ownLoop(): EventLoop {
  const loop = new EventLoop();
  loops.push(loop);
  return loop;
}

const turns = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

describe('reading', () => {
  test('starts with the first listener, and what came before is told', async () => {
    const { source, peer } = letters();
    put(peer, 'early');
    await turns();
    expect(source.reads).toBe(0);
    const heard = record(source);
    await until(() => heard.length === 5);
    expect(heard.join('')).toBe('early');
  });

  test.each(['on', 'addListener', 'once'] as const)('%s starts it again', async (method) => {
    const { source, peer } = letters();
    put(peer, 'x');
    await turns();
    const letter = await new Promise((resolve) => source[method]('letter', resolve));
    expect(letter).toBe('x');
  });

  test('is not started by listeners for other events', async () => {
    const { source, peer } = letters();
    source.on('error', () => {});
    source.on('close', () => {});
    put(peer, 'x');
    await turns();
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
    await turns();
    expect(source.reads).toBe(reads);
    source.on('letter', listener);
    await until(() => heard.length === 3);
    expect(heard).toEqual(['a', 'b', 'c']);
  });

  test('a fd that is ready, with nobody listening, does not keep the loop busy', async () => {
    const loop = ownLoop();
    const { peer } = letters({ loop });
    put(peer, 'x');
    await until(() => loop.stats().events > 0);
    await turns();
    const { events } = loop.stats();
    await turns();
    expect(loop.stats().events).toBe(events);
    expect(events).toBeLessThan(5);
  });

  test('nor does a hang-up, which cannot be masked; and its end is told when somebody asks', async () => {
    const loop = ownLoop();
    const { source, peer } = letters({ loop });
    put(peer, 'last');
    closeNow(peer);
    await until(() => loop.stats().events > 0);
    // Until its waiter has started, a loop polls.
    await until(() => waiterThreads().every(({ state }) => state === 'waiting'));
    await turns();
    const { events, turns: before } = loop.stats();
    await turns();
    expect(loop.stats().events).toBe(events);
    expect(loop.stats().turns - before).toBeLessThan(3);
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

  test('is not told to a listener while it is being added', async () => {
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
      else setTimeout(() => source.once('letter', again), 5);
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
    await turns();
    expect(heard).toEqual([]);
    await iterator.next();
    await turns();
    expect(heard).toHaveLength(1);
  });

  test('answers several steps at once, in order', async () => {
    const { source, peer } = letters();
    const iterator = source[Symbol.asyncIterator]();
    const steps = Promise.all([iterator.next(), iterator.next(), iterator.next()]);
    put(peer, 'a');
    await turns();
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

describe('closing', () => {
  test('in a listener: nothing more is told', async () => {
    const { source, peer } = letters();
    const heard = record(source);
    source.on('letter', () => source.close());
    const closed = jest.fn();
    source.on('close', closed);
    put(peer, 'abc');
    await next(source, 'close');
    await turns();
    expect(heard).toEqual(['a']);
    source.close();
    expect(closed).toHaveBeenCalledTimes(1);
    expect([source.closed, source.fd]).toEqual([true, -1]);
  });

  test('gives back what the class holds, once, and closes the fd', () => {
    const { source } = letters();
    const { fd } = source;
    source.close();
    source.close();
    expect(source.released).toBe(1);
    expect(close(fd)).toBe(-errno.EBADF);
  });

  test('closes the fd although a listener of close throws', () => {
    const { source } = letters();
    const { fd } = source;
    source.on('close', () => {
      throw new Error('from close');
    });
    expect(() => source.close()).toThrow('from close');
    expect(close(fd)).toBe(-errno.EBADF);
  });

  test('by `using`, by an abort, and with its loop: the fd is closed each time', () => {
    const fds: number[] = [];
    {
      using source = new EventFd();
      fds.push(source.fd);
    }
    const controller = new AbortController();
    fds.push(new EventFd({ signal: controller.signal }).fd);
    controller.abort();
    const loop = new EventLoop();
    fds.push(new EventFd({ loop }).fd);
    loop.close();
    expect(fds.map((fd) => close(fd))).toEqual(fds.map(() => -errno.EBADF));
  });

  test('ref and unref can be chained, also afterwards', () => {
    const { source } = letters();
    expect(source.unref().ref()).toBe(source);
    source.close();
    expect(source.unref().ref()).toBe(source);
  });
});

describe('errors', () => {
  /** Its read fails: an epoll fd cannot be read. */
  class Unreadable extends FdSource<'letter', string> {
    constructor(options: FdSourceOptions = {}) {
      super(fcntl(counter(1), F_DUPFD_CLOEXEC, 0), { ...options, event: 'letter' });
    }

    protected override readOnce(): number {
      return -errno.EIO;
    }
  }

  test('are told, with what failed, and the source is closed', async () => {
    const source = new Unreadable();
    const { fd } = source;
    const log: string[] = [];
    source.on('letter', () => {});
    source.on('close', () => log.push('close'));
    source.on('error', (error) => log.push(error.message));
    await next(source, 'close');
    expect(log).toEqual(['read EIO: i/o error', 'close']);
    expect(close(fd)).toBe(-errno.EBADF);
  });

  test('reject the step of an iterator that waits, or the next one', async () => {
    const waiting = new Unreadable()[Symbol.asyncIterator]();
    await expect(waiting.next()).rejects.toMatchObject({ code: 'EIO', syscall: 'read' });
    expect((await waiting.next()).done).toBe(true);
    class Late extends Unreadable {
      breakDown(): void {
        this.fail(new Error('broken'));
      }
    }
    const late = new Late();
    const iterator = late[Symbol.asyncIterator]();
    late.breakDown();
    late.breakDown();
    await expect(iterator.next()).rejects.toThrow('broken');
    expect((await iterator.next()).done).toBe(true);
  });

  test('of a fd that was closed without its source are told, and the fd is not closed again', async () => {
    const { source } = letters();
    const { fd } = source;
    closeNow(fd);
    const reused = closeLater(fcntl(counter(), F_DUPFD_CLOEXEC, fd));
    expect(reused).toBe(fd);
    const told = next<[Error]>(source, 'error');
    // The number is registered a second time: the loop notices.
    const watcher = new FdWatcher(reused);
    expect((await told)[0]).toMatchObject({ code: 'EBADF', fd });
    expect(source.closed).toBe(true);
    watcher.close();
    expect(fcntl(reused, F_GETFD)).toBeGreaterThanOrEqual(0);
  });

  test('of construction close the fd and give back what the class holds', () => {
    const released = jest.fn();
    class Never extends FdSource<'letter', string> {
      constructor(fd: number, options: FdSourceOptions) {
        super(fd, { ...options, event: 'letter', release: released });
      }

      protected override readOnce(): number {
        return 0;
      }
    }
    const loop = new EventLoop();
    loop.close();
    const wrong = [{ signal: AbortSignal.abort(new Error('too late')) }, { loop }];
    for (const options of wrong) {
      const fd = fcntl(counter(), F_DUPFD_CLOEXEC, 0);
      expect(() => new Never(fd, options)).toThrow(/too late|is closed/);
      expect(close(fd)).toBe(-errno.EBADF);
    }
    expect(released).toHaveBeenCalledTimes(2);
  });

  test('what is thrown or told without a listener is uncaught, and nothing is lost', async () => {
    const child = runTs('test/watch/source-uncaught.ts');
    expect(await child.exit()).toEqual({ code: 0, signal: null });
    const lines = child.stdout.trim().split('\n');
    expect(JSON.parse(lines.at(-1) as string)).toEqual([
      'heard 1',
      'heard 2',
      'heard 3',
      'caught 1',
      'caught 2',
      'caught 3',
      'error EIO',
      'close of the one with a listener',
      'caught from the error listener',
      'close of the one without a listener',
      'caught read EIO: i/o error',
    ]);
  }, 20_000);
});
