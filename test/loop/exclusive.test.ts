/** EPOLLEXCLUSIVE in a loop: the fd is in the set on which the thread sleeps, and behaves as any other. */
import { EventLoop } from '../../src/loop/event-loop';
import { waiterThreads } from '../../src/loop/waiter-pool';
import { EPOLLEXCLUSIVE, EPOLLIN } from '../../src/sys/constants';
import { read } from '../../src/sys/io';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, counter, pair, put } from '../support/fds';
import { marker } from '../support/marker';
import { until } from '../support/until';

expectNoFdLeaks();

const MASK = EPOLLIN | EPOLLEXCLUSIVE;
const bytes = new Uint8Array(64);

let loop: EventLoop;
afterEach(() => loop.close());

/** A handler that reads, and what it was called for. */
function reader(fd: number): { events: number[]; reasons: Error[]; handler: never } {
  const events: number[] = [];
  const reasons: Error[] = [];
  const handler = {
    onEvents: (mask: number) => {
      events.push(mask);
      read(fd, bytes);
    },
    onRevoked: (reason: Error) => reasons.push(reason),
  };
  return { events, reasons, handler: handler as never };
}

test.each(['thread', 'libuv', 'inline'] as const)(
  'events come, also after other fds were watched; %s',
  async (waiter) => {
    loop = new EventLoop({ waiter });
    const idle = counter(0);
    loop.add(idle, EPOLLIN, reader(idle).handler).unref();
    await marker(loop);
    // Its thread waits by now, and gives way.
    if (waiter === 'thread') await until(() => waiterThreads()[0]?.state === 'waiting');
    const [fd, peer] = pair();
    const { events, handler } = reader(fd);
    const registration = loop.add(fd, MASK, handler);
    for (let count = 1; count <= 3; count += 1) {
      put(peer, 'x');
      await until(() => events.length === count);
    }
    expect(events).toEqual([EPOLLIN, EPOLLIN, EPOLLIN]);
    expect(() => registration.modify(EPOLLIN)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    registration.remove();
    put(peer, 'x');
    await marker(loop);
    expect(events.length).toBe(3);
    // Removed is removed: it can be added again, in either way.
    loop.add(fd, EPOLLIN, handler).remove();
    loop.add(fd, MASK, handler);
    await until(() => events.length === 4);
  },
);

test('the same fd twice is EEXIST; a regular file is EPERM; nothing changes', async () => {
  loop = new EventLoop();
  const [fd, peer] = pair();
  const { events, handler } = reader(fd);
  loop.add(fd, MASK, handler);
  await marker(loop);
  put(peer, 'x');
  await until(() => events.length === 1);
  const other = reader(fd);
  expect(() => loop.add(fd, MASK, other.handler)).toThrow(
    expect.objectContaining({ code: 'EEXIST', syscall: 'epoll_ctl' }),
  );
  put(peer, 'x');
  await until(() => events.length === 2);
  expect(other.events).toEqual([]);
});

test('a loop that closes revokes it', () => {
  loop = new EventLoop();
  const fd = closeLater(pair()[0]);
  const { reasons, handler } = reader(fd);
  loop.add(fd, MASK, handler);
  loop.close();
  expect(reasons).toEqual([expect.objectContaining({ code: 'ERR_LOOP_CLOSED' })]);
});
