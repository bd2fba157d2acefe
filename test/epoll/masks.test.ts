/**
 * Masks as people write them: `EPOLLIN | EPOLLET` is a negative number, because EPOLLET is bit 31.
 * Wherever a mask is taken, signed and unsigned are the same; what is handed out is unsigned.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Epoll, EventLoop, formatEvents, Inotify, sys, watch } from '../../src';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, counter } from '../support/fds';

expectNoFdLeaks();

const { EPOLLERR, EPOLLET, EPOLLIN, EPOLLONESHOT, EPOLLOUT, IN_CREATE, IN_ONESHOT } = sys.constants;
const SIGNED = EPOLLIN | EPOLLET;

test('the mask of every article is negative', () => {
  expect(SIGNED).toBe(-2_147_483_647);
});

describe('an Epoll', () => {
  test('takes it in add and modify', () => {
    using epoll = new Epoll();
    const fd = counter(1);
    epoll.add(fd, SIGNED);
    expect([...epoll.wait({ timeoutMs: 0 })]).toEqual([{ fd, events: EPOLLIN }]);
    // It is edge-triggered: told once.
    expect([...epoll.wait({ timeoutMs: 0 })]).toEqual([]);
    epoll.modify(fd, EPOLLOUT | EPOLLET);
    expect([...epoll.wait({ timeoutMs: 0 })]).toEqual([{ fd, events: EPOLLOUT }]);
    expect([...epoll.wait({ timeoutMs: 0 })]).toEqual([]);
  });

  test.each([2 ** 32, -(2 ** 31) - 1, 0.5, Number.NaN, Infinity])('refuses %p', (mask) => {
    using epoll = new Epoll();
    const text = /"events".*>= -2147483648 and <= 4294967295/;
    expect(() => epoll.add(counter(), mask)).toThrow(text);
    expect(() => epoll.modify(counter(), mask)).toThrow(text);
  });
});

describe('an EventLoop', () => {
  test('takes it in add, modify and requeue, and says it unsigned', async () => {
    using loop = new EventLoop();
    const fd = counter(1);
    const registration = await new Promise<{ events: number; told: number }>((resolve) => {
      const one = loop.add(fd, SIGNED, {
        onEvents: (events) => resolve({ events: one.events, told: events }),
        onRevoked: () => {},
      });
    });
    expect(registration).toEqual({ events: SIGNED >>> 0, told: EPOLLIN });
  });

  test('registers again, and puts on the ready list', async () => {
    using loop = new EventLoop();
    const told: number[] = [];
    await new Promise<void>((resolve) => {
      const one = loop.add(counter(), EPOLLIN, {
        onEvents: (events) => {
          told.push(events);
          if (told.length === 2) return resolve();
          expect(one.events).toBe((EPOLLOUT | EPOLLET) >>> 0);
          one.requeue(EPOLLIN | EPOLLET);
        },
        onRevoked: () => {},
      });
      one.modify(EPOLLOUT | EPOLLET);
    });
    expect(told).toEqual([EPOLLOUT, (EPOLLIN | EPOLLET) >>> 0]);
  });
});

describe('watch', () => {
  test('takes a mask in the place of words', async () => {
    const watcher = watch(counter(1), EPOLLIN | EPOLLONESHOT | EPOLLET);
    const [events] = await new Promise<[number]>((resolve) => {
      watcher.on('readable', (...args) => resolve(args));
    });
    expect(events).toBe(EPOLLIN);
    watcher.modify(EPOLLOUT | EPOLLET);
    await new Promise((resolve) => watcher.on('writable', resolve));
    watcher.close();
  });

  test('refuses a number that is none', () => {
    const fd = counter();
    expect(() => watch(fd, 2 ** 32)).toThrow(/"events"/);
    expect(() => watch(fd, Number.NaN)).toThrow(/"events"/);
    const watcher = watch(fd, EPOLLIN);
    expect(() => watcher.modify(0.5)).toThrow(/"events"/);
    watcher.close();
  });
});

describe('the brothers: other words whose bit 31 is used', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'masks-'));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test('IN_ONESHOT of inotify', () => {
    const fd = closeLater(sys.unwrap(sys.inotifyInit1(sys.constants.IN_NONBLOCK), 'inotify_init1'));
    expect(sys.inotifyAddWatch(fd, folder, IN_CREATE | IN_ONESHOT)).toBeGreaterThan(0);
    writeFileSync(join(folder, 'first'), '');
    writeFileSync(join(folder, 'second'), '');
    const bytes = new Uint8Array(4_096);
    const length = sys.read(fd, bytes);
    // One event, and the watch is gone.
    expect(sys.decodeInotifyEvents(bytes, length).map(({ mask }) => mask)).toEqual([
      IN_CREATE,
      sys.constants.IN_IGNORED,
    ]);
  });

  test('the same of the class Inotify', () => {
    const inotify = new Inotify();
    const added = inotify.add(folder, { events: IN_CREATE | IN_ONESHOT });
    expect(added.active).toBe(true);
    expect(() => inotify.add(folder, { events: 2 ** 32 })).toThrow(/"events"/);
    inotify.close();
  });

  test('a request of ioctl(2) that reads: _IOC_READ is bit 31', () => {
    const request = sys.constants.EPIOCGPARAMS | 0;
    expect(sys.ioctlSize(request)).toBe(8);
    expect(sys.ioctl(counter(), request, new Uint8Array(8))).toBe(-sys.errno.ENOTTY);
  });

  test('groups of netlink(7), and flags that are unsigned in C', () => {
    expect(sys.encodeNetlinkAddress(1 << 31)).toEqual(sys.encodeNetlinkAddress(2 ** 31));
    // Not flags of these calls: the kernel refuses them, as it does unsigned ones.
    expect(sys.pidfdOpen(process.pid, 1 << 31)).toBe(sys.pidfdOpen(process.pid, 2 ** 31));
    expect(sys.memfdCreate('masks', (1 << 30) | (1 << 31))).toBe(-sys.errno.EINVAL);
    expect(sys.tee(counter(), counter(), 1, 1 << 31)).toBe(-sys.errno.EINVAL);
  });
});

test('a mask in words, of either sign', () => {
  expect(formatEvents(SIGNED)).toBe('EPOLLIN|EPOLLET');
  expect(formatEvents(SIGNED >>> 0)).toBe('EPOLLIN|EPOLLET');
  expect(formatEvents(EPOLLERR)).toBe('EPOLLERR');
});
