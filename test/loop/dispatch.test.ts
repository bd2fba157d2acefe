/** Events reach their own handler: fds that are closed and used again, and the ready list. */

import type { Registration } from '../../src/loop/registration';
import * as c from '../../src/sys/constants';
import { fcntl } from '../../src/sys/io';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, put, replace, take } from '../support/fds';
import { marker } from '../support/marker';
import { until } from '../support/until';
import { handler, newLoop, ONE, turns } from './rig';

expectNoFdLeaks();

describe('events belong to who registered', () => {
  test('an event of a fd that was closed in the same batch is dropped, also if its number is reused', async () => {
    const loop = newLoop();
    const first = counter(1);
    const second = counter(1);
    const stale = handler();
    const fresh = handler();
    let reused = -1;
    let secondRegistration: Registration;
    loop.add(
      first,
      c.EPOLLIN,
      handler(() => {
        take(first);
        secondRegistration.remove();
        reused = replace(second);
        loop.add(reused, c.EPOLLIN, fresh);
      }),
    );
    secondRegistration = loop.add(second, c.EPOLLIN, stale);
    await until(() => reused >= 0);
    await marker(loop);
    expect(stale.calls).toEqual([]);
    expect(fresh.calls).toEqual([]);
    expect(loop.stats().staleEvents).toBe(1);
    expect(loop.stats().rebuilds).toBe(0);
    put(reused, ONE);
    await until(() => fresh.calls.length > 0);
  });

  test('a fd that was closed without being removed, and whose number is registered again, is revoked', async () => {
    const loop = newLoop();
    const fd = counter();
    const former = handler();
    const registration = loop.add(fd, c.EPOLLIN, former);
    replace(fd, 1);
    const told = handler(() => take(fd));
    const present = loop.add(fd, c.EPOLLIN, told);
    expect(former.revoked).toEqual([expect.objectContaining({ code: 'EBADF', fd })]);
    expect([registration.active, present.active]).toEqual([false, true]);
    // What the former holder does now must not touch the new one.
    registration.remove();
    registration.modify(c.EPOLLOUT);
    await until(() => told.calls.length === 1);
    expect(former.calls).toEqual([]);
  });

  test('an open file that outlives its fd cannot be named any more: the set is made anew', async () => {
    const loop = newLoop();
    const fd = counter(1);
    closeLater(fcntl(fd, c.F_DUPFD_CLOEXEC, 0));
    const ghost = handler();
    const registration = loop.add(fd, c.EPOLLIN | c.EPOLLONESHOT, ghost);
    const other = counter();
    const alive = handler(() => take(other));
    loop.add(other, c.EPOLLIN, alive);
    const spent = handler();
    const spentRegistration = loop.add(counter(1), c.EPOLLIN | c.EPOLLONESHOT, spent);
    await until(() => ghost.calls.length === 1 && spent.calls.length === 1);
    registration.modify(c.EPOLLIN);
    closeNow(fd);
    registration.remove();
    await until(() => loop.stats().rebuilds === 1);
    await marker(loop);
    const { staleEvents } = loop.stats();
    put(other, ONE);
    await until(() => alive.calls.length === 1);
    await marker(loop);
    expect(loop.stats()).toMatchObject({ rebuilds: 1, staleEvents });
    expect(spent.calls).toHaveLength(1);
    spentRegistration.rearm();
    await until(() => spent.calls.length === 2);
  });

  test('a refused fd leaves nothing behind', () => {
    const loop = newLoop();
    const fd = counter();
    loop.add(fd, c.EPOLLIN, handler());
    expect(() => loop.add(fd, c.EPOLLIN, handler())).toThrow(
      expect.objectContaining({ code: 'EEXIST' }),
    );
    expect(loop.stats().watched).toBe(1);
    expect(() => loop.add(19_999, c.EPOLLIN, handler())).toThrow(
      expect.objectContaining({ code: 'EBADF' }),
    );
    expect(loop.stats().watched).toBe(1);
  });

  test('thousands of fds come and go, and every event finds its own', async () => {
    const loop = newLoop();
    let served = 0;
    for (let round = 0; round < 20; round += 1) {
      const registrations = Array.from({ length: 100 }, () => {
        const fd = counter(1);
        const registration: Registration = loop.add(
          fd,
          c.EPOLLIN,
          handler(() => {
            served += 1;
            registration.remove();
            closeNow(fd);
          }),
        );
        return registration;
      });
      await until(() => registrations.every(({ active }) => !active));
    }
    expect(served).toBe(2_000);
    expect(loop.stats().watched).toBe(0);
  });
});

describe('the ready list', () => {
  test('what is put on it is served again, with its events, in turn with the others', async () => {
    const loop = newLoop();
    const order: string[] = [];
    const greedy = (name: string, times: number): void => {
      let left = times;
      const registration: Registration = loop.add(counter(1), (c.EPOLLIN | c.EPOLLET) >>> 0, {
        onEvents(events) {
          order.push(`${name}${events}`);
          left -= 1;
          if (left > 0) registration.requeue(c.EPOLLIN | c.EPOLLRDHUP);
        },
        onRevoked: () => {},
      });
    };
    greedy('a', 3);
    greedy('b', 2);
    greedy('c', 3);
    await until(() => order.length === 8);
    const [again] = [c.EPOLLIN | c.EPOLLRDHUP];
    expect(order).toEqual([
      'a1',
      'b1',
      'c1',
      `a${again}`,
      `b${again}`,
      `c${again}`,
      `a${again}`,
      `c${again}`,
    ]);
  });

  test('putting something on it wakes a loop that waits', async () => {
    const loop = newLoop();
    const told = handler();
    const registration = loop.add(counter(), c.EPOLLIN, told);
    await until(() => loop.stats().handovers > 0);
    await turns();
    registration.requeue(c.EPOLLIN);
    registration.requeue(c.EPOLLHUP);
    await until(() => told.calls.length === 1);
    expect(told.calls).toEqual([c.EPOLLIN | c.EPOLLHUP]);
  });

  test('what was removed meanwhile is not served', async () => {
    const loop = newLoop();
    const told = handler();
    const registration = loop.add(counter(), c.EPOLLIN, told);
    registration.requeue(c.EPOLLIN);
    registration.remove();
    registration.requeue(c.EPOLLIN);
    await marker(loop);
    expect(told.calls).toEqual([]);
  });

  test('an unref’ed loop serves it too', async () => {
    const loop = newLoop();
    const told = handler();
    const registration = loop.add(counter(), c.EPOLLIN, told);
    registration.unref();
    await turns(20);
    registration.requeue(c.EPOLLIN);
    await until(() => told.calls.length === 1);
  });
});
