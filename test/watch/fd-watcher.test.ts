import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventLoop } from '../../src/loop/event-loop';
import * as c from '../../src/sys/constants';
import { close, fcntl } from '../../src/sys/io';
import { send } from '../../src/sys/socket';
import {
  type FdInterest,
  FdWatcher,
  type FdWatcherOptions,
  watch,
} from '../../src/watch/fd-watcher';
import { Child, runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put, take, tcpPair } from '../support/fds';
import { marker } from '../support/marker';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next, until } from '../support/until';
import { runInWorker } from '../support/worker';

expectNoFdLeaks();

const watchers: FdWatcher[] = [];
afterEach(() => {
  for (const watcher of watchers.splice(0)) watcher.close();
});

function watching(fd: number, options: FdWatcherOptions = {}): FdWatcher {
  const watcher = watch(fd, options);
  watchers.push(watcher);
  return watcher;
}

/** Every event of a watcher, by name and with its arguments. */
function record(watcher: FdWatcher): [string, ...unknown[]][] {
  const log: [string, ...unknown[]][] = [];
  const names = ['events', 'readable', 'writable', 'priority', 'hangup', 'error', 'close'] as const;
  for (const name of names) {
    watcher.on(name, (...args: unknown[]) => log.push([name, ...args]));
  }
  return log;
}

describe('events', () => {
  test('readable, with the mask, when there is something to read', async () => {
    const [a, b] = pair();
    const watcher = watching(b);
    const log = record(watcher);
    put(a, 'x');
    await next(watcher, 'readable');
    take(b);
    expect(log.slice(0, 2)).toEqual([
      ['events', c.EPOLLIN],
      ['readable', c.EPOLLIN],
    ]);
  });

  test('a function instead of options is the listener of readable', async () => {
    const [a, b] = pair();
    const told = jest.fn(() => take(b));
    watchers.push(watch(b, told));
    put(a, 'x');
    await until(() => told.mock.calls.length === 1);
    expect(told).toHaveBeenCalledWith(c.EPOLLIN);
  });

  test('writable, when there is room', async () => {
    const [, b] = pair();
    const watcher = watching(b, { writable: true, oneShot: true });
    const log = record(watcher);
    await next(watcher, 'writable');
    expect(log).toEqual([
      ['events', c.EPOLLOUT],
      ['writable', c.EPOLLOUT],
    ]);
  });

  test('priority, for urgent data', async () => {
    const { connected, accepted } = tcpPair();
    const watcher = watching(accepted, { priority: true, oneShot: true });
    expect(send(connected, Buffer.from('!'), 1, c.MSG_OOB)).toBe(1);
    expect(await next(watcher, 'priority')).toEqual([c.EPOLLPRI]);
  });

  test('hangup, after what can be read, when the peer is gone', async () => {
    const [a, b] = pair();
    const watcher = watching(b, { readable: true, peerClosed: true, oneShot: true });
    const log = record(watcher);
    put(a, 'last words');
    closeNow(a);
    await next(watcher, 'hangup');
    const mask = c.EPOLLIN | c.EPOLLRDHUP | c.EPOLLHUP;
    expect(log).toEqual([
      ['events', mask],
      ['readable', mask],
      ['hangup', mask],
    ]);
    expect(take(b)).toBe('last words');
  });

  test('error, with the pending error of a socket', async () => {
    const { connected, accepted } = tcpPair();
    // Closing with unread data sends a reset.
    put(connected, 'unread');
    await until(() => take(accepted) !== '');
    put(accepted, 'never read');
    const watcher = watching(accepted, { oneShot: true });
    await new Promise((done) => setImmediate(done));
    closeNow(connected);
    expect(await next(watcher, 'error')).toEqual([
      expect.objectContaining({ code: 'ECONNRESET', fd: accepted }),
    ]);
  });

  test('a listener that closes the watcher is the last one called', async () => {
    const [a, b] = pair();
    const watcher = watching(b, { readable: true, writable: true });
    const log = record(watcher);
    watcher.on('writable', () => watcher.close());
    put(a, 'x');
    await next(watcher, 'close');
    expect(log.map(([name]) => name).filter((name) => name === 'readable')).toEqual([]);
    expect(log.at(-1)).toEqual(['close']);
  });
});

describe('modify, rearm, ref', () => {
  test('modify replaces the interest', async () => {
    const [a, b] = pair();
    const watcher = watching(b);
    const log = record(watcher);
    put(a, 'x');
    expect(watcher.modify({ writable: true, oneShot: true })).toBe(watcher);
    await next(watcher, 'writable');
    expect(log.map(([name]) => name)).not.toContain('readable');
  });

  test('a one-shot watcher emits once, and again when it is re-armed', async () => {
    const watcher = watching(counter(1), { oneShot: true });
    const log = record(watcher);
    await next(watcher, 'readable');
    await marker();
    expect(log).toHaveLength(2);
    watcher.rearm();
    await next(watcher, 'readable');
    expect(log).toHaveLength(4);
  });

  test('an edge-triggered watcher emits changes', async () => {
    const [a, b] = pair();
    const watcher = watching(b, { readable: true, edge: true });
    const log = record(watcher);
    put(a, 'x');
    await next(watcher, 'readable');
    await marker();
    expect(log).toHaveLength(2);
    put(a, 'y');
    await next(watcher, 'readable');
  });

  test('ref and unref can be chained', () => {
    const watcher = watching(counter());
    expect(watcher.unref().ref()).toBe(watcher);
  });
});

describe('closing', () => {
  test('emits close once, and leaves the fd open', () => {
    const fd = counter();
    const watcher = watching(fd);
    const log = record(watcher);
    watcher.close();
    watcher.close();
    expect(log).toEqual([['close']]);
    expect([watcher.closed, watcher.fd]).toEqual([true, fd]);
    expect(fcntl(fd, c.F_GETFD)).toBeGreaterThanOrEqual(0);
  });

  test('closes the fd if that was asked for', () => {
    const fd = fcntl(counter(), c.F_DUPFD_CLOEXEC, 0);
    watching(fd, { autoClose: true }).close();
    expect(close(fd)).toBeLessThan(0);
  });

  test('is done by `using`', () => {
    const fd = counter();
    {
      using watcher = watch(fd);
      expect(watcher.closed).toBe(false);
    }
    watching(fd);
  });

  test('is done by an abort', () => {
    const controller = new AbortController();
    const watcher = watching(counter(), { signal: controller.signal });
    controller.abort();
    expect(watcher.closed).toBe(true);
    expect(() => watch(counter(), { signal: AbortSignal.abort() })).toThrow(/abort/i);
  });

  test('is done by the end of its loop', () => {
    const loop = new EventLoop();
    const watcher = watching(counter(), { loop });
    const log = record(watcher);
    loop.close();
    expect(log).toEqual([['close']]);
  });

  test('what is asked of a closed watcher is refused', () => {
    const watcher = watching(counter());
    watcher.close();
    for (const action of [() => watcher.modify({}), () => watcher.rearm()]) {
      expect(action).toThrow(expect.objectContaining({ code: 'ERR_WATCHER_CLOSED' }));
    }
    watcher.ref().unref();
  });

  test('an fd that was closed without its watcher is emitted as an error, and not closed again', async () => {
    const fd = fcntl(counter(), c.F_DUPFD_CLOEXEC, 0);
    const former = watching(fd, { autoClose: true });
    const log = record(former);
    const other = counter(1);
    closeNow(fd);
    const reused = closeLater(fcntl(other, c.F_DUPFD_CLOEXEC, fd));
    expect(reused).toBe(fd);
    const watcher = watching(reused);
    expect(log).toEqual([['error', expect.objectContaining({ code: 'EBADF', fd })], ['close']]);
    await next(watcher, 'readable');
  });
});

describe('async iteration', () => {
  test('yields one mask per step, and nothing unasked', async () => {
    const [a, b] = pair();
    const seen: string[] = [];
    const watcher = watching(b);
    put(a, '1');
    for await (const events of watcher) {
      expect(events).toBe(c.EPOLLIN);
      seen.push(take(b));
      if (seen.length === 3) break;
      put(a, String(seen.length + 1));
      await marker();
    }
    expect(seen).toEqual(['1', '2', '3']);
    expect(watcher.closed).toBe(true);
  });

  test('gives again what was not read', async () => {
    const [a, b] = pair();
    put(a, 'x');
    let steps = 0;
    for await (const _events of watching(b)) {
      steps += 1;
      if (steps === 3) break;
    }
    expect(steps).toBe(3);
  });

  test('ends when the watcher is closed', async () => {
    const watcher = watching(counter());
    const iterator = watcher[Symbol.asyncIterator]();
    const pending = iterator.next();
    watcher.close();
    expect(await pending).toEqual({ done: true, value: undefined });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  test('fails when it is aborted, while it waits and while the body runs', async () => {
    const controller = new AbortController();
    const iterate = async (abortInBody: boolean, signal: AbortSignal): Promise<void> => {
      for await (const _events of watching(counter(1), { signal })) {
        if (abortInBody) controller.abort();
      }
    };
    await expect(iterate(true, controller.signal)).rejects.toThrow(/abort/i);
    const other = new AbortController();
    const [, quiet] = pair();
    const waiting = (async () => {
      for await (const _events of watching(quiet, { signal: other.signal }));
    })();
    setImmediate(() => other.abort(new Error('enough')));
    await expect(waiting).rejects.toThrow('enough');
  });

  test('answers several steps in order', async () => {
    const watcher = watching(counter(1));
    const iterator = watcher[Symbol.asyncIterator]();
    const steps = await Promise.all([iterator.next(), iterator.next(), iterator.next()]);
    expect(steps.map(({ value }) => value)).toEqual([c.EPOLLIN, c.EPOLLIN, c.EPOLLIN]);
  });
});

describe('what is refused', () => {
  test.each([
    [{ readable: 1 }, 'readable'],
    [{ signal: {} }, 'signal'],
    [{ loop: {} }, 'loop'],
    [{ onReadable: () => {} }, 'onReadable'],
    ['readable', 'options of FdWatcher'],
  ])('the options %p', (options, name) => {
    const fd = counter();
    expect(() => watch(fd, options as FdWatcherOptions)).toThrow(
      expect.objectContaining({ name: 'TypeError', message: expect.stringContaining(name) }),
    );
    const watcher = watching(fd);
    expect(() => watcher.modify({ exclusive: true } as FdInterest)).toThrow(/exclusive/);
  });

  test('a regular file and a directory, with the reason', () => {
    const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
    for (const [path, kind] of [
      [__filename, 'a regular file'],
      [folder, 'a directory'],
    ] as const) {
      const fd = closeLater(openSync(path, 'r'));
      expect(() => watch(fd)).toThrow(
        expect.objectContaining({ code: 'EPERM', message: expect.stringContaining(kind) }),
      );
    }
    rmSync(folder, { recursive: true });
  });

  test('a fd that is not open, is no fd, or is watched already', () => {
    const fd = counter();
    watching(fd);
    expect(() => watch(fd)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    expect(() => watch(19_999)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(() => watch(Number.NaN)).toThrow(RangeError);
    expect(() => new FdWatcher('0' as unknown as number)).toThrow(TypeError);
  });
});

test('the end of a pipe is readable, although the kernel calls it HUP alone', async () => {
  const script = `"${process.execPath}" ${RUNS_TYPESCRIPT.join(' ')} test/watch/programs/stdin-echo.ts`;
  const child = new Child('sh', ['-c', `printf hello | ${script}`]);
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stdout).toMatch('got hello');
});

test('SIGSTOP and SIGCONT leave a waiting process as it was', async () => {
  const child = runTs('test/watch/programs/stdin-echo.ts');
  await child.printed(/waiting/);
  for (const word of ['one', 'two']) {
    child.kill('SIGSTOP');
    child.kill('SIGCONT');
    child.process.stdin?.write(word);
    await child.printed(new RegExp(`got ${word}`));
  }
  child.process.stdin?.end();
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(child.stderr).toBe('');
});

test('autoClose also closes the fd when it is the loop that was closed', () => {
  const loop = new EventLoop();
  const fd = counter();
  const watcher = new FdWatcher(fd, { loop, autoClose: true });
  loop.close();
  expect(watcher.closed).toBe(true);
  expect(() => closeNow(fd)).toThrow('EBADF');
});

test('works in a worker', async () => {
  expect(await runInWorker('watcher')).toBe('EPOLLOUT');
});
