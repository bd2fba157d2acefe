import { openSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Epoll } from '../../src/epoll/epoll';
import { EventList } from '../../src/epoll/event-list';
import { Waker } from '../../src/epoll/waker';
import * as c from '../../src/sys/constants';
import { close, fcntl } from '../../src/sys/io';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put, take } from '../support/fds';
import { next } from '../support/until';
import { epoll, ready } from './rig';

expectNoFdLeaks();

describe('add, modify, remove, wait', () => {
  test('a readable fd is reported with its mask, again and again', () => {
    const [a, b] = pair();
    epoll.add(b, c.EPOLLIN);
    expect(ready()).toEqual([]);
    put(a, 'x');
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLIN }]);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLIN }]);
    take(b);
    expect(ready()).toEqual([]);
  });

  test('edge-triggered, a change is reported once, and the next change again', () => {
    const [a, b] = pair();
    epoll.add(b, (c.EPOLLIN | c.EPOLLET) >>> 0);
    put(a, 'x');
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLIN }]);
    expect(ready()).toEqual([]);
    put(a, 'y');
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLIN }]);
  });

  test('one-shot, nothing is reported until modify arms it, and then what is ready still', () => {
    const [a, b] = pair();
    epoll.add(b, c.EPOLLIN | c.EPOLLONESHOT);
    put(a, 'x');
    expect(ready()).toHaveLength(1);
    put(a, 'y');
    expect(ready()).toEqual([]);
    epoll.modify(b, c.EPOLLIN | c.EPOLLONESHOT);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLIN }]);
  });

  test('modify replaces the interest', () => {
    const [, b] = pair();
    epoll.add(b, c.EPOLLIN);
    epoll.modify(b, c.EPOLLOUT);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLOUT }]);
  });

  test('a removed fd is reported no more', () => {
    const fd = counter(1);
    epoll.add(fd, c.EPOLLIN);
    epoll.remove(fd);
    expect(ready()).toEqual([]);
  });

  test('the peer that closes is reported as RDHUP and HUP', () => {
    const [a, b] = pair();
    epoll.add(b, c.EPOLLIN | c.EPOLLRDHUP);
    closeNow(a);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLIN | c.EPOLLRDHUP | c.EPOLLHUP }]);
  });

  test('an epoll fd can be a member of another set, and readiness passes through', () => {
    using outer = new Epoll();
    const fd = counter();
    epoll.add(fd, c.EPOLLIN);
    outer.add(epoll.fd, c.EPOLLIN | c.EPOLLONESHOT);
    expect(ready(outer)).toEqual([]);
    put(fd, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));
    expect(ready(outer)).toEqual([{ fd: epoll.fd, events: c.EPOLLIN }]);
    expect(ready()).toHaveLength(1);
  });

  test('user data of 64 bits comes back', () => {
    const fd = counter(1);
    epoll.add(fd, c.EPOLLIN, { low: 0xdead_beef, high: 0xffff_ffff });
    const events = epoll.wait({ timeoutMs: 0 });
    expect([events.low(0), events.high(0)]).toEqual([0xdead_beef, 0xffff_ffff]);
  });
});

describe('wait', () => {
  test('returns ready events at once, and waits for others no longer than the timeout', () => {
    const start = performance.now();
    expect(epoll.wait({ timeoutMs: 20 })).toHaveLength(0);
    expect(performance.now() - start).toBeGreaterThanOrEqual(19.5);
    epoll.add(counter(1), c.EPOLLIN);
    expect(epoll.wait()).toHaveLength(1);
  });

  test('rounds a fraction up, never down to a busy loop', () => {
    const start = performance.now();
    epoll.wait({ timeoutMs: 4.2 });
    expect(performance.now() - start).toBeGreaterThanOrEqual(4.2);
  });

  test('returns at most maxEvents, and the others in the next turns', () => {
    using small = new Epoll({ maxEvents: 2 });
    const fds = [counter(1), counter(1), counter(1), counter(1), counter(1)];
    for (const fd of fds) small.add(fd, c.EPOLLIN);
    const seen = new Set<number>();
    for (let turn = 0; turn < 3; turn += 1) {
      const batch = ready(small);
      expect(batch.length).toBeLessThanOrEqual(2);
      for (const { fd } of batch) seen.add(fd);
    }
    expect(seen).toEqual(new Set(fds));
  });

  test('is ended by a waker of another thread', async () => {
    using waker = new Waker();
    epoll.add(waker.fd, c.EPOLLIN);
    const worker = new Worker(
      `const { workerData } = require('node:worker_threads');
       setTimeout(() => require('node:fs').writeSync(workerData, Buffer.from([1,0,0,0,0,0,0,0])), 20);`,
      { eval: true, workerData: waker.fd },
    );
    expect(epoll.wait({ timeoutMs: 10_000 })).toHaveLength(1);
    expect(waker.drain()).toBe(true);
    await next(worker, 'exit');
  });

  test.each([Number.NaN, -2, -0.5, 2 ** 31, '5', null, {}])(
    'refuses a timeout of %p',
    (timeoutMs) => {
      expect(() => epoll.wait({ timeoutMs: timeoutMs as number })).toThrow(/"timeoutMs"/);
    },
  );
});

describe('errors', () => {
  test('a regular file: EPERM, and the message says so', () => {
    const file = closeLater(openSync(__filename, 'r'));
    expect(() => epoll.add(file, c.EPOLLIN)).toThrow(
      expect.objectContaining({
        code: 'EPERM',
        syscall: 'epoll_ctl',
        fd: file,
        message: expect.stringContaining('is a regular file, which'),
      }),
    );
  });

  test('a closed fd: EBADF', () => {
    const fd = counter();
    closeNow(fd);
    for (const call of [() => epoll.add(fd, c.EPOLLIN), () => epoll.remove(fd)]) {
      expect(call).toThrow(expect.objectContaining({ code: 'EBADF', fd }));
    }
  });

  test('added twice: EEXIST; not added: ENOENT', () => {
    const fd = counter();
    epoll.add(fd, c.EPOLLIN);
    expect(() => epoll.add(fd, c.EPOLLIN)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    const other = counter();
    expect(() => epoll.modify(other, 1)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(() => epoll.remove(other)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });

  test('a set in itself: EINVAL; two sets in each other: ELOOP', () => {
    expect(() => epoll.add(epoll.fd, c.EPOLLIN)).toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    );
    using other = new Epoll();
    other.add(epoll.fd, c.EPOLLIN);
    expect(() => epoll.add(other.fd, c.EPOLLIN)).toThrow(
      expect.objectContaining({ code: 'ELOOP' }),
    );
  });

  test('modifying an exclusive member: EINVAL', () => {
    const fd = counter();
    epoll.add(fd, c.EPOLLIN | c.EPOLLEXCLUSIVE);
    expect(() => epoll.modify(fd, c.EPOLLIN)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });

  test('wrong masks and fds are refused before the kernel sees them', () => {
    const fd = counter();
    expect(() => epoll.add(fd, 2 ** 32)).toThrow(/"events"/);
    expect(() => epoll.add(Number.NaN, c.EPOLLIN)).toThrow(/"fd"/);
    expect(() => new Epoll({ maxEvents: 0 })).toThrow(/"maxEvents"/);
  });

  test('every use after close: EBADF; close again: nothing', () => {
    epoll.close();
    epoll.close();
    expect([epoll.fd, epoll.closed]).toEqual([-1, true]);
    expect(() => epoll.wait()).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(() => epoll.add(0, 1)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });
});

test('fromFd works on the set of another owner', () => {
  const duplicate = fcntl(epoll.fd, c.F_DUPFD_CLOEXEC, 0);
  using other = Epoll.fromFd(duplicate);
  const fd = counter(1);
  epoll.add(fd, c.EPOLLIN);
  expect(ready(other)).toEqual([{ fd, events: c.EPOLLIN }]);
  expect(() => Epoll.fromFd(-1)).toThrow(RangeError);
});

test('an epoll fd is closed on exec', () => {
  expect(fcntl(epoll.fd, c.F_GETFD)).toBe(c.FD_CLOEXEC);
});

describe('EventList', () => {
  test('its accessors read what iteration shows, and allocate nothing', () => {
    const fds = Array.from({ length: 64 }, () => counter(1));
    for (const fd of fds) epoll.add(fd, c.EPOLLIN);
    const list = new EventList(64);
    expect(epoll.waitInto(list, 0)).toBe(64);
    expect([...list].map(({ fd }) => fd)).toEqual(fds.map((_, index) => list.fd(index)));
    let sum = 0;
    const rounds = (count: number): void => {
      for (let round = 0; round < count; round += 1) {
        epoll.waitInto(list, 0);
        for (let index = 0; index < list.length; index += 1)
          sum += list.fd(index) + list.events(index);
      }
    };
    rounds(2_000);
    const before = process.memoryUsage().heapUsed;
    rounds(2_000);
    // 128,000 events; a single object each would be megabytes.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(512 * 1024);
    expect(sum).toBeGreaterThan(0);
  });

  test('can be used for several sets', () => {
    using other = new Epoll();
    const [a, b] = [counter(1), counter(1)];
    epoll.add(a, c.EPOLLIN);
    other.add(b, c.EPOLLIN);
    const list = new EventList(4);
    expect(epoll.waitInto(list, 0)).toBe(1);
    expect(list.low(0)).toBe(a);
    expect(other.waitInto(list, 0)).toBe(1);
    expect(list.low(0)).toBe(b);
    expect(list.length).toBe(1);
  });

  test.each([0, -1, 65_536, Number.NaN, '4'])('refuses a capacity of %p', (capacity) => {
    expect(() => new EventList(capacity as number)).toThrow(/"capacity"/);
  });

  test('cannot be longer than it is', () => {
    const list = new EventList(2);
    expect(() => {
      list.length = 3;
    }).toThrow(RangeError);
  });
});

describe('Waker', () => {
  test('many wakes before a drain are one', () => {
    using waker = new Waker();
    expect(waker.drain()).toBe(false);
    waker.wake();
    waker.wake();
    expect(waker.drain()).toBe(true);
    expect(waker.drain()).toBe(false);
  });

  test('a full counter is no error', () => {
    const fd = counter();
    put(fd, Buffer.from([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    Waker.fromFd(fd).wake();
    expect(Waker.fromFd(fd).drain()).toBe(true);
  });

  test('another side can wake by the fd', () => {
    using waker = new Waker();
    Waker.fromFd(waker.fd).wake();
    expect(waker.drain()).toBe(true);
  });

  test('does nothing once closed', () => {
    const waker = new Waker();
    const { fd } = waker;
    waker.close();
    waker.close();
    waker.wake();
    expect(waker.fd).toBe(-1);
    expect(close(fd)).toBeLessThan(0);
  });
});

test('a timeout that is no object is refused, and not taken for none', () => {
  const epoll = new Epoll();
  for (const wrong of [0, 10, '10', null]) {
    expect(() => epoll.wait(wrong as never)).toThrow(
      /"options" argument must be an object.*Received/,
    );
  }
  epoll.close();
});
