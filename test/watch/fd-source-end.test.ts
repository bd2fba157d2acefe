import { EventLoop } from '../../src/loop/event-loop';
import { F_DUPFD_CLOEXEC, F_GETFD } from '../../src/sys/constants';
import { errno } from '../../src/sys/errno';
import { fcntl, read } from '../../src/sys/io';
import { FdSource, type FdSourceOptions } from '../../src/watch/fd-source';
import { FdWatcher } from '../../src/watch/fd-watcher';
import { runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put } from '../support/fds';
import { Letters, letters, record } from '../support/letters';
import { marker } from '../support/marker';
import { next } from '../support/until';

expectNoFdLeaks();

/**
 * Whether the other end of a pair was closed. Its number proves nothing: another thread may have
 * been given it again.
 */
function isClosed(peer: number): boolean {
  return read(peer, new Uint8Array(1)) !== -errno.EAGAIN;
}

describe('closing', () => {
  test('in a listener: no more events', async () => {
    const { source, peer } = letters();
    const heard = record(source);
    source.on('letter', () => source.close());
    const closed = jest.fn();
    source.on('close', closed);
    put(peer, 'abc');
    await next(source, 'close');
    await marker();
    expect(heard).toEqual(['a']);
    source.close();
    expect(closed).toHaveBeenCalledTimes(1);
    expect([source.closed, source.fd]).toEqual([true, -1]);
  });

  test('gives back what the class holds, once, and closes the fd', () => {
    const { source, peer } = letters();
    expect(isClosed(peer)).toBe(false);
    source.close();
    source.close();
    expect(source.released).toBe(1);
    expect(isClosed(peer)).toBe(true);
  });

  test('closes the fd although a listener of close throws', () => {
    const { source, peer } = letters();
    source.on('close', () => {
      throw new Error('from close');
    });
    expect(() => source.close()).toThrow('from close');
    expect(isClosed(peer)).toBe(true);
  });

  test('is done by `using`, by an abort, and with the loop: the fd is closed each time', () => {
    const peers: number[] = [];
    {
      const { source, peer } = letters();
      using used = source;
      peers.push(peer);
      expect(used.closed).toBe(false);
    }
    const controller = new AbortController();
    peers.push(letters({ signal: controller.signal }).peer);
    controller.abort();
    const loop = new EventLoop();
    peers.push(letters({ loop }).peer);
    loop.close();
    expect(peers.map(isClosed)).toEqual([true, true, true]);
  });

  test('ref and unref can be chained, also afterwards', () => {
    const { source } = letters();
    expect(source.unref().ref()).toBe(source);
    source.close();
    expect(source.unref().ref()).toBe(source);
  });
});

describe('errors', () => {
  /** Its read fails. */
  class Unreadable extends FdSource<'letter', string> {
    constructor(fd = counter(1)) {
      super(fcntl(fd, F_DUPFD_CLOEXEC, 0), { event: 'letter' });
    }

    protected override readOnce(): number {
      return -errno.EIO;
    }
  }

  test('are emitted, with the failed call, and the source is closed', async () => {
    const [peer, other] = pair();
    put(peer, 'unread');
    const source = new Unreadable(other);
    closeNow(other);
    const log: string[] = [];
    source.on('letter', () => {});
    source.on('close', () => log.push('close'));
    source.on('error', (error) => log.push(error.message));
    await next(source, 'close');
    expect(log).toEqual(['read EIO: i/o error', 'close']);
    expect(isClosed(peer)).toBe(true);
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

  test('of an fd that was closed without its source are emitted, and the fd is not closed again', async () => {
    // A number so high that no other thread is given it meanwhile.
    const fd = fcntl(pair()[0], F_DUPFD_CLOEXEC, 500);
    const source = new Letters(fd);
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
      const [peer, other] = pair();
      const fd = fcntl(other, F_DUPFD_CLOEXEC, 0);
      closeNow(other);
      expect(() => new Never(fd, options)).toThrow(/too late|is closed/);
      expect(isClosed(peer)).toBe(true);
    }
    expect(released).toHaveBeenCalledTimes(2);
  });

  test('an exception, and an error without a listener, is uncaught, and nothing is lost', async () => {
    const child = runTs('test/watch/programs/source-uncaught.ts');
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
  });
});
