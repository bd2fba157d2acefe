/** A loop through each waiter, how it waits, and its life. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Worker } from 'node:worker_threads';
import { EventLoop } from '../../src/loop/event-loop';
import type { EventLoopOptions } from '../../src/loop/event-loop-options';
import { WheelTimer } from '../../src/loop/timer-wheel';
import { waiterThreads } from '../../src/loop/waiter-pool';
import * as c from '../../src/sys/constants';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { counter, pair, put, take } from '../support/fds';
import { marker } from '../support/marker';
import { next, until } from '../support/until';
import { handler, newLoop, ONE, turns } from './rig';

expectNoFdLeaks();
// Processes and workers start within a second, on a busy machine within many.
jest.setTimeout(60_000);

/** Wait until the waiter threads block, and the loops poll no more. */
async function waiting(): Promise<void> {
  await until(() => {
    const threads = waiterThreads();
    return threads.length > 0 && threads.every(({ state }) => state === 'waiting');
  });
}

describe.each([
  { waiter: 'thread' },
  { waiter: 'libuv' },
  { waiter: 'inline', maxInlineWaitMs: 5 },
] as const)('with the waiter $waiter', (options) => {
  test('a handler is told when its fd is ready, also long after the loop went idle', async () => {
    const loop = newLoop(options);
    const fd = counter();
    const told = handler(() => take(fd));
    loop.add(fd, c.EPOLLIN, told);
    for (let round = 1; round <= 3; round += 1) {
      await turns(20);
      put(fd, ONE);
      await until(() => told.calls.length === round);
    }
    await marker(loop);
    expect(told.calls).toEqual([c.EPOLLIN, c.EPOLLIN, c.EPOLLIN]);
  });

  test('an edge that came while nobody waited is not lost', async () => {
    const loop = newLoop(options);
    const [a, b] = pair();
    put(a, 'before');
    const told = handler();
    loop.add(b, (c.EPOLLIN | c.EPOLLET) >>> 0, told);
    await until(() => told.calls.length === 1);
    await marker(loop);
    expect(told.calls).toHaveLength(1);
  });

  test('a one-shot is told once, and again when it is re-armed', async () => {
    const loop = newLoop(options);
    const told = handler();
    const registration = loop.add(counter(1), c.EPOLLIN | c.EPOLLONESHOT, told);
    await until(() => told.calls.length === 1);
    await marker(loop);
    expect(told.calls).toHaveLength(1);
    registration.rearm();
    await until(() => told.calls.length === 2);
  });

  test('a fd that is added while the loop waits is watched', async () => {
    const loop = newLoop(options);
    loop.add(counter(), c.EPOLLIN, handler());
    await turns(20);
    const told = handler(() => registration.remove());
    const registration = loop.add(counter(1), c.EPOLLIN, told);
    await until(() => told.calls.length === 1);
  });

  test('a deadline is met although no fd is ready', async () => {
    const loop = newLoop({
      ...options,
      ...(options.waiter === 'inline' && { maxInlineWaitMs: 60_000 }),
    });
    loop.add(counter(), c.EPOLLIN, handler());
    const start = performance.now();
    await new Promise<void>((done) => {
      loop.timers.schedule(new WheelTimer({ onTimer: () => done() }), 30);
    });
    expect(performance.now() - start).toBeGreaterThanOrEqual(30);
  });

  test('a fd that is always ready does not freeze Node: a timer beside it fires', async () => {
    const batchesPerTurn = 4;
    const loop = newLoop({ ...options, batchesPerTurn });
    const told = handler();
    loop.add(counter(1), c.EPOLLIN, told);
    for (let turn = 0; turn < 20; turn += 1) {
      const before = told.calls.length;
      await turns(1);
      await until(() => told.calls.length > before);
    }
    // No turn of Node's loop has more than one of ours behind another.
    for (let turn = 0; turn < 20; turn += 1) {
      const before = told.calls.length;
      await new Promise((done) => setImmediate(done));
      expect(told.calls.length - before).toBeLessThanOrEqual(2 * batchesPerTurn);
    }
  });

  test('the waker of the loop ends its waiting from another thread', async () => {
    const loop = newLoop({
      ...options,
      ...(options.waiter === 'inline' && { maxInlineWaitMs: 60_000 }),
    });
    const worker = new Worker(
      `const { workerData } = require('node:worker_threads');
         setTimeout(() => {
           require('node:fs').writeSync(workerData, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));
         }, 20);`,
      { eval: true, workerData: loop.waker.fd },
    );
    const ended = next(worker, 'exit');
    const registration = loop.add(counter(), c.EPOLLIN, handler());
    // An inline loop holds this timer back until it is woken, for a minute if nobody does.
    await turns(1);
    await until(() => loop.stats().events === 1);
    registration.remove();
    await ended;
  });
});

describe('waiting', () => {
  test('an idle loop hands over once and is woken once an event', async () => {
    const loop = newLoop({ spinUs: 0 });
    const fd = counter();
    const told = handler(() => take(fd));
    loop.add(fd, c.EPOLLIN, told);
    await waiting();
    await turns(20);
    const before = loop.stats();
    for (let round = 1; round <= 5; round += 1) {
      put(fd, ONE);
      await until(
        () => told.calls.length === round && loop.stats().handovers === before.handovers + round,
      );
    }
    const after = loop.stats();
    expect(after.wakeUps - before.wakeUps).toBe(5);
    expect(after.handovers - before.handovers).toBe(5);
    expect(after.spins).toBe(0);
  });

  test('a loop that may spin looks again before it hands over', async () => {
    const loop = newLoop({ spinUs: 1_000_000 });
    const fd = counter(1);
    loop.add(
      fd,
      c.EPOLLIN,
      handler(() => take(fd)),
    );
    await until(() => loop.stats().spins > 10);
  });

  test('a waiter thread that dies is replaced, and no event is lost', async () => {
    const loop = newLoop();
    const fd = counter();
    const told = handler(() => take(fd));
    loop.add(fd, c.EPOLLIN, told);
    await waiting();
    await turns(20);
    const [dying] = waiterThreads();
    // Two loops die with it: the event may be in its hands just now.
    const ended = dying?.worker?.terminate();
    put(fd, ONE);
    await until(() => told.calls.length === 1);
    await ended;
    await waiting();
    expect(waiterThreads()[0]?.worker).not.toBe(dying?.worker);
    put(fd, ONE);
    await until(() => told.calls.length === 2);
  });

  test('many loops share a waiter thread, and more than it takes get another', async () => {
    const all = Array.from({ length: 66 }, () => {
      const loop = newLoop();
      const fd = counter();
      const told = handler(() => take(fd));
      loop.add(fd, c.EPOLLIN, told);
      return { loop, fd, told };
    });
    await until(() => all.every(({ loop }) => loop.stats().handovers > 0));
    expect(waiterThreads()).toHaveLength(2);
    await waiting();
    for (const { fd } of all) put(fd, ONE);
    await until(() => all.every(({ told }) => told.calls.length === 1));
    for (const { loop } of all) loop.close();
    expect(waiterThreads()).toHaveLength(0);
  });
});

describe('the life of a loop', () => {
  test('closing revokes what is registered, and closes what the loop made', async () => {
    const loop = newLoop();
    const told = handler();
    const registration = loop.add(counter(), c.EPOLLIN, told);
    expect(loop.waker.fd).toBeGreaterThan(0);
    await turns();
    loop.close();
    loop.close();
    expect(told.revoked).toEqual([expect.objectContaining({ code: 'ERR_LOOP_CLOSED' })]);
    expect([loop.closed, loop.fd, registration.active, registration.events]).toEqual([
      true,
      -1,
      false,
      0,
    ]);
    registration.remove();
    registration.rearm();
    expect(() => loop.add(counter(), c.EPOLLIN, handler())).toThrow(
      expect.objectContaining({ code: 'ERR_LOOP_CLOSED' }),
    );
  });

  test('a handler may close the loop; the rest of the batch is dropped', async () => {
    const loop = newLoop();
    const told = handler(() => loop.close());
    for (let index = 0; index < 3; index += 1) loop.add(counter(1), c.EPOLLIN, told);
    await until(() => loop.closed);
    await marker(newLoop());
    expect(told.calls).toHaveLength(1);
    expect(told.revoked).toHaveLength(3);
  });

  test('a loop that nothing is registered in does nothing', async () => {
    const loop = newLoop();
    const fd = counter(1);
    loop.add(fd, c.EPOLLIN, handler()).remove();
    await marker(newLoop());
    const before = loop.stats();
    await marker(newLoop());
    expect(loop.stats()).toEqual(before);
  });

  test('handlers run outside the AsyncLocalStorage of who started the loop', async () => {
    const storage = new AsyncLocalStorage<string>();
    const loop = newLoop();
    const fd = counter(1);
    const stores: unknown[] = [];
    const told = handler(() => {
      take(fd);
      stores.push(storage.getStore());
    });
    storage.run('a request', () => loop.add(fd, c.EPOLLIN, told));
    await until(() => stores.length === 1);
    await waiting();
    put(fd, ONE);
    await until(() => stores.length === 2);
    expect(stores).toEqual([undefined, undefined]);
  });

  test('a closed loop makes no waker', () => {
    const loop = newLoop();
    loop.close();
    expect(() => loop.waker).toThrow(expect.objectContaining({ code: 'ERR_LOOP_CLOSED' }));
  });

  test('turns are measured when that is asked for', async () => {
    const loop = newLoop({ measureTurns: true });
    const fd = counter(1);
    loop.add(
      fd,
      c.EPOLLIN,
      handler(() => take(fd)),
    );
    await until(() => (loop.turnTimes?.count ?? 0) > 0);
    expect(loop.turnTimes?.min).toBeGreaterThanOrEqual(1);
    expect(newLoop().turnTimes).toBeNull();
  });

  test.each([
    [{ waiter: 'fork' }, 'waiter'],
    [{ maxEvents: 0 }, 'maxEvents'],
    [{ batchesPerTurn: 1.5 }, 'batchesPerTurn'],
    [{ spinUs: -1 }, 'spinUs'],
    [{ maxInlineWaitMs: Number.NaN }, 'maxInlineWaitMs'],
    [{ measureTurns: 'yes' }, 'measureTurns'],
    [{ spinTurns: 3 }, 'spinTurns'],
    [null, 'options of EventLoop'],
  ])('refuses the options %j, and says which', (options, name) => {
    expect(() => new EventLoop(options as EventLoopOptions)).toThrow(
      expect.objectContaining({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringContaining(name),
      }),
    );
  });
});
