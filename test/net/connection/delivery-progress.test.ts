/**
 * Deadlines are about progress: a peer that reads slowly and steadily meets none, one that reads
 * nothing meets its own. The sockets are the kernel's, with small buffers; the clock is ours.
 */
import type { EventLoop } from '../../../src/loop/event-loop';
import { ConnectionDeadlines, type DeadlineLimits } from '../../../src/net/connection/deadlines';
import { undeliveredBytes, unreadBytes } from '../../../src/net/socket/undelivered';
import * as constants from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { read, write } from '../../../src/sys/io';
import { setsockopt } from '../../../src/sys/socket';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { pair, put, tcpPair } from '../../support/fds';
import { until } from '../../support/until';

expectNoFdLeaks();

const { SOL_SOCKET, SO_RCVBUF, SO_SNDBUF } = constants;
const LIMIT_MS = 1_000;

let now: number;

beforeEach(() => {
  now = 5_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => jest.restoreAllMocks());

const KINDS: Record<string, () => [number, number]> = {
  unix: pair,
  tcp: () => {
    const { connected, accepted } = tcpPair();
    return [accepted, connected];
  },
};

/** A connection that has filled the kernel, and has more queued; `at` is when the timer is due. */
function clogged(kind: string, limits: Partial<DeadlineLimits>) {
  const [fd, peer] = (KINDS[kind] as () => [number, number])();
  unwrap(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, Int32Array.of(64 * 1024)), 'setsockopt');
  unwrap(setsockopt(peer, SOL_SOCKET, SO_RCVBUF, Int32Array.of(16 * 1024)), 'setsockopt');
  const subject = {
    ...{ slot: 1, fd, timerIndex: 0, bytesRead: 0, bytesWritten: 0, flowing: true },
    ...{ lastActivity: now, waitingSince: now },
    hasUnread: () => false,
    canFlushNow: () => false,
    onTimer: () => {},
  };
  for (let count = 1; count > 0; count = write(fd, Buffer.alloc(4_096))) {
    subject.bytesWritten += count;
  }
  const timer = { at: Infinity };
  const timers = {
    cancel: () => {},
    scheduleSooner: (_: unknown, delayMs: number) => {
      timer.at = Math.min(timer.at, now + delayMs);
    },
  };
  const loop = { timers, handledBy: (stamp: number) => stamp } as unknown as EventLoop;
  const deadlines = new ConnectionDeadlines(loop);
  const none = { idleTimeoutMs: 0, writeTimeoutMs: 0, lifetimeMs: 0 };
  deadlines.open(subject, { ...none, ...limits });
  /** Let the timer fire when it is due. */
  const fire = (): string => {
    expect(timer.at).toBeGreaterThan(now);
    now = timer.at;
    timer.at = Infinity;
    return deadlines.judge(subject)?.message ?? '';
  };
  const buffer = Buffer.alloc(8 * 1024);
  /** Read a little, until the other kernel knows. */
  const readSome = (): Promise<void> => {
    const before = undeliveredBytes(fd);
    jest.spyOn(performance, 'now').mockRestore();
    return until(() => {
      read(peer, buffer);
      return undeliveredBytes(fd) < before;
    }).finally(() => jest.spyOn(performance, 'now').mockImplementation(() => now));
  };
  return { subject, fire, readSome, fd, peer };
}

describe.each(Object.keys(KINDS))('%s', (kind) => {
  test.each([
    ['writeTimeoutMs', LIMIT_MS * 1.25],
    ['idleTimeoutMs', LIMIT_MS * 2],
  ])('%s: a peer that reads nothing is cut in time', (name, latest) => {
    const began = now;
    const { fire } = clogged(kind, { [name]: LIMIT_MS });
    let message = '';
    while (message === '') message = fire();
    expect(message).toContain(`(${name})`);
    expect(now - began).toBeGreaterThanOrEqual(LIMIT_MS);
    expect(now - began).toBeLessThanOrEqual(latest);
  });

  test.each(['writeTimeoutMs', 'idleTimeoutMs'])(
    '%s: a peer that reads from what the kernel holds is not cut, until it stops',
    async (name) => {
      const { fire, readSome, subject } = clogged(kind, { [name]: LIMIT_MS });
      const began = now;
      // The queue stands still all the time: the kernel has no room yet.
      for (let count = 0; count < 4; count += 1) {
        await readSome();
        while (now < began + (count + 1) * LIMIT_MS) expect(fire()).toBe('');
      }
      expect(now - began).toBeGreaterThanOrEqual(4 * LIMIT_MS);
      expect(subject.waitingSince).toBe(began);
      let message = '';
      while (message === '') message = fire();
      expect(message).toContain(`(${name})`);
    },
  );

  test('the kernel says what is not delivered, and what is not read', () => {
    const [fd, peer] = (KINDS[kind] as () => [number, number])();
    expect([undeliveredBytes(fd), unreadBytes(peer)]).toEqual([0, 0]);
    put(fd, 'hello');
    expect(unreadBytes(peer)).toBe(5);
  });
});

test('an idle connection that has nothing on its way is cut without a further look', () => {
  const { fire, subject, peer } = clogged('unix', { idleTimeoutMs: LIMIT_MS });
  while (read(peer, Buffer.alloc(64 * 1024)) > 0);
  const began = now;
  subject.waitingSince = Infinity;
  expect(fire()).toContain('(idleTimeoutMs)');
  expect(now - began).toBe(LIMIT_MS);
});

test('no fd has nothing of either', () => {
  expect([undeliveredBytes(-1), unreadBytes(-1)]).toEqual([0, 0]);
});
