import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Epoll, type EpollCallback } from '../../src/compat/epoll';
import { oneByOneLoop } from '../../src/compat/one-by-one-loop';
import * as constants from '../../src/sys/constants';
import { recv, send } from '../../src/sys/socket';
import { ROOT, runTs } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeNow, counter, pair, put, replace, take } from '../support/fds';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';
import { next, until } from '../support/until';

afterAll(() => oneByOneLoop().close());
expectNoFdLeaks();

type Call = [error: Error | null, fd: number, events: number];

/** An instance that notes its calls; closed after the test. */
function recorder(onCall: EpollCallback = () => {}): { epoll: Epoll; calls: Call[] } {
  const calls: Call[] = [];
  const epoll = new Epoll((...call) => {
    calls.push(call);
    onCall(...call);
  });
  opened.add(epoll);
  return { epoll, calls };
}

const opened = new Set<Epoll>();
afterEach(() => {
  for (const epoll of opened) if (!epoll.closed) epoll.close();
  opened.clear();
});

test('add, modify and remove can be chained, close gives null', () => {
  const fd = counter();
  const { epoll } = recorder();
  expect(epoll.closed).toBe(false);
  expect(epoll.add(fd, Epoll.EPOLLIN).modify(fd, Epoll.EPOLLOUT).remove(fd)).toBe(epoll);
  expect(epoll.close()).toBeNull();
  expect(epoll.closed).toBe(true);
});

test('the constants are those of the kernel', () => {
  for (const name of ['IN', 'OUT', 'RDHUP', 'PRI', 'ERR', 'HUP', 'ET', 'ONESHOT'] as const) {
    expect(Epoll[`EPOLL${name}`]).toBe(constants[`EPOLL${name}`]);
  }
});

test('an event is (null, fd, events), again and again while the fd is ready', async () => {
  const fd = counter(1);
  const { epoll, calls } = recorder(() => {
    if (calls.length === 3) epoll.remove(fd);
  });
  epoll.add(fd, Epoll.EPOLLIN);
  await until(() => calls.length === 3);
  expect(calls[2]).toEqual([null, fd, Epoll.EPOLLIN]);
});

test.each([
  ['as | gives it', Epoll.EPOLLIN | Epoll.EPOLLET],
  ['unsigned', (Epoll.EPOLLIN | Epoll.EPOLLET) >>> 0],
])('a mask with EPOLLET, %s', async (_name, mask) => {
  const [ours, theirs] = pair();
  const { epoll, calls } = recorder();
  epoll.add(ours, mask);
  put(theirs, 'a');
  await until(() => calls.length === 1);
  put(theirs, 'b');
  await until(() => calls.length === 2);
  expect(take(ours)).toBe('ab');
});

test('EPOLLONESHOT calls back once, and again after modify', async () => {
  const fd = counter(1);
  const { epoll, calls } = recorder();
  epoll.add(fd, Epoll.EPOLLIN | Epoll.EPOLLONESHOT);
  await until(() => calls.length === 1);
  const beside = counter(1);
  epoll.add(beside, Epoll.EPOLLIN | Epoll.EPOLLONESHOT);
  await until(() => calls.length === 2);
  expect(calls.map((call) => call[1])).toEqual([fd, beside]);
  epoll.modify(fd, Epoll.EPOLLIN | Epoll.EPOLLONESHOT);
  await until(() => calls.length === 3);
  expect(calls[2]?.[1]).toBe(fd);
});

test('EPOLLPRI: what GPIO lines give, here urgent data', async () => {
  const [ours, theirs] = pair();
  const { epoll, calls } = recorder(() => {
    recv(ours, new Uint8Array(1), 1, constants.MSG_OOB);
  });
  epoll.add(ours, Epoll.EPOLLPRI);
  expect(send(theirs, Buffer.from('!'), 1, constants.MSG_OOB)).toBe(1);
  await until(() => calls.length === 1);
  expect(calls[0]).toEqual([null, ours, Epoll.EPOLLPRI]);
});

test('wrong use is refused with the words of the original, and a code', () => {
  const fd = counter();
  expect(() => new Epoll(undefined as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
  );
  const { epoll } = recorder();
  for (const wrong of [undefined, null, '1', 0.5, Number.NaN, 2 ** 32, {}]) {
    expect(() => epoll.add(wrong as never, Epoll.EPOLLIN)).toThrow(
      'incorrect arguments passed to add(int fd, int events)',
    );
    expect(() => epoll.modify(fd, wrong as never)).toThrow(
      'incorrect arguments passed to modify(int fd, int events)',
    );
    expect(() => epoll.remove(wrong as never)).toThrow(
      'incorrect arguments passed to remove(int fd)',
    );
  }
  epoll.add(fd, Epoll.EPOLLIN);
  expect(() => epoll.add(fd, Epoll.EPOLLIN)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
  const other = recorder().epoll;
  expect(() => other.add(fd, Epoll.EPOLLIN)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
  expect(() => other.remove(fd)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  expect(() => other.modify(fd, 1)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  const file = openSync(__filename, 'r');
  expect(() => epoll.add(file, Epoll.EPOLLIN)).toThrow(expect.objectContaining({ code: 'EPERM' }));
  closeSync(file);
  expect(() => epoll.add(file, Epoll.EPOLLIN)).toThrow(
    expect.objectContaining({ code: 'EBADF', syscall: 'epoll_ctl', errno: -9 }),
  );
  epoll.close();
  expect(() => epoll.close()).toThrow("close can't be called more than once");
  expect(() => epoll.add(fd, 1)).toThrow("add can't be called after calling close");
  expect(() => epoll.modify(fd, 1)).toThrow("modify can't be called after calling close");
  expect(() => epoll.remove(fd)).toThrow("remove can't be called after calling close");
});

test('an add that was refused leaves the fd watched as before', async () => {
  const fd = counter();
  const { epoll, calls } = recorder(() => take(fd));
  epoll.add(fd, Epoll.EPOLLIN);
  expect(() => epoll.add(fd, Epoll.EPOLLIN)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
  put(fd, Buffer.from('\x01\0\0\0\0\0\0\0', 'latin1'));
  await until(() => calls.length === 1);
});

test('an fd closed without remove, its number added again by the same instance', async () => {
  const fd = counter();
  const { epoll, calls } = recorder();
  epoll.add(fd, Epoll.EPOLLIN);
  replace(fd, 1);
  epoll.add(fd, Epoll.EPOLLIN | Epoll.EPOLLONESHOT);
  await until(() => calls.length === 1);
  expect(calls).toEqual([[null, fd, Epoll.EPOLLIN]]);
});

test('an fd closed without remove, its number added by another: no event for the former', async () => {
  const fd = counter();
  const first = recorder();
  first.epoll.add(fd, Epoll.EPOLLIN);
  replace(fd, 1);
  const second = recorder();
  second.epoll.add(fd, Epoll.EPOLLIN | Epoll.EPOLLONESHOT);
  await until(() => second.calls.length === 1);
  expect(first.calls).toEqual([[expect.objectContaining({ code: 'EBADF' }), fd, 0]]);
  expect(() => first.epoll.remove(fd)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  expect(first.epoll.close()).toBeNull();
  second.epoll.modify(fd, Epoll.EPOLLIN | Epoll.EPOLLONESHOT);
  await until(() => second.calls.length === 2);
});

test('remove and close after the fd is gone', () => {
  const [one, two] = [counter(), counter()];
  const { epoll } = recorder();
  epoll.add(one, Epoll.EPOLLIN).add(two, Epoll.EPOLLIN);
  closeNow(one);
  closeNow(two);
  expect(epoll.remove(one)).toBe(epoll);
  expect(epoll.close()).toBeNull();
});

test('promises and ticks of a callback run before the next callback', async () => {
  const fds = [counter(1), counter(1), counter(1)];
  const order: string[] = [];
  const { epoll } = recorder((_error, fd) => {
    order.push('callback');
    process.nextTick(() => order.push('tick'));
    void Promise.resolve().then(() => {
      order.push('promise');
      take(fd);
    });
  });
  for (const fd of fds) epoll.add(fd, Epoll.EPOLLIN);
  await until(() => order.length >= 9);
  const once = ['callback', 'tick', 'promise'];
  expect(order).toEqual([...once, ...once, ...once]);
});

test('a callback has no `this` of ours', async () => {
  let seen: unknown = null;
  const fd = counter(1);
  const epoll = new Epoll(function (this: unknown) {
    seen = this;
    epoll.close();
  });
  epoll.add(fd, Epoll.EPOLLIN);
  await until(() => epoll.closed);
  expect(seen).toBeUndefined();
});

test('an fd removed by the callback of another in the same batch gets no event', async () => {
  const [one, two] = [counter(1), counter(1)];
  const { epoll, calls } = recorder((_error, fd) => {
    epoll.remove(one).remove(two);
    closeNow(fd === one ? two : one);
  });
  epoll.add(one, Epoll.EPOLLIN).add(two, Epoll.EPOLLIN);
  await until(() => calls.length === 1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toHaveLength(1);
});

test('a closed loop calls the callback with an error', () => {
  const fd = counter();
  const { epoll, calls } = recorder();
  epoll.add(fd, Epoll.EPOLLIN);
  oneByOneLoop().close();
  expect(calls).toEqual([[expect.objectContaining({ code: 'ERR_LOOP_CLOSED' }), fd, 0]]);
  expect(epoll.close()).toBeNull();
});

test('in the main thread and in two workers at once', async () => {
  const fd = counter();
  const { epoll, calls } = recorder(() => take(fd));
  epoll.add(fd, Epoll.EPOLLIN);
  const options = { execArgv: [...RUNS_TYPESCRIPT] };
  const script = join(ROOT, 'test/compat/programs/worker.ts');
  const workers = [new Worker(script, options), new Worker(script, options)];
  const told = await Promise.all(workers.map((worker) => next<[number]>(worker, 'message')));
  expect(told).toEqual([[100], [100]]);
  put(fd, Buffer.from('\x01\0\0\0\0\0\0\0', 'latin1'));
  await until(() => calls.length === 1);
  expect(await Promise.all(workers.map((worker) => worker.terminate()))).toEqual([1, 1]);
});

test('what is watched holds the process, and what is removed does not', async () => {
  const holds = runTs('test/compat/programs/hold.ts');
  await holds.printed(/told 3/);
  expect(await holds.exit()).toEqual({ code: 0, signal: null });
  expect(holds.stdout).toBe('told 1\ntold 2\ntold 3\n');
});
