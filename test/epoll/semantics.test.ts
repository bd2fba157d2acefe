/** What epoll(7), epoll_ctl(2) and the kernel's eventpoll.c say, beyond the three calls. */
import { mkdtempSync, openSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Epoll } from '../../src/epoll/epoll';
import { EventList } from '../../src/epoll/event-list';
import { pollFds } from '../../src/epoll/poll';
import { createEventBuffer } from '../../src/sys/abi';
import * as c from '../../src/sys/constants';
import { epollCtl, epollPwait, epollPwait2, epollWait } from '../../src/sys/epoll';
import { errno } from '../../src/sys/errno';
import { fcntl, read } from '../../src/sys/io';
import { send, shutdown } from '../../src/sys/socket';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put, take, tcpPair } from '../support/fds';
import { pipe } from '../support/files';
import { epoll, ready } from './rig';

expectNoFdLeaks();

const ET = c.EPOLLET;
/** Another fd for the same open file description. */
function duplicate(fd: number): number {
  return closeLater(fcntl(fd, c.F_DUPFD_CLOEXEC, 0));
}

function code(name: string): Error {
  return expect.objectContaining({ name: 'SystemError', code: name });
}

describe('errors of epoll_ctl', () => {
  test('EINVAL: exclusive with one-shot, and with flags that it does not know', () => {
    const fd = counter();
    for (const flag of [c.EPOLLONESHOT, c.EPOLLRDHUP, c.EPOLLPRI]) {
      const events = c.EPOLLIN | c.EPOLLEXCLUSIVE | flag;
      expect(() => epoll.add(fd, events)).toThrow(code('EINVAL'));
    }
    epoll.add(fd, (c.EPOLLIN | c.EPOLLOUT | c.EPOLLEXCLUSIVE | c.EPOLLWAKEUP | ET) >>> 0);
  });

  test('EINVAL: exclusive by modify, and of a member that is exclusive', () => {
    const [fd, other] = [counter(), counter()];
    epoll.add(fd, c.EPOLLIN);
    const exclusive = c.EPOLLIN | c.EPOLLEXCLUSIVE;
    expect(() => epoll.modify(fd, exclusive)).toThrow(code('EINVAL'));
    epoll.add(other, exclusive);
    expect(() => epoll.modify(other, exclusive)).toThrow(code('EINVAL'));
    epoll.remove(other);
    epoll.add(other, c.EPOLLIN);
  });

  test('EINVAL: an epoll set as an exclusive member', () => {
    using inner = new Epoll();
    expect(() => epoll.add(inner.fd, c.EPOLLIN | c.EPOLLEXCLUSIVE)).toThrow(code('EINVAL'));
  });

  test('EINVAL: an fd that is no epoll set, the set itself, an operation that does not exist', () => {
    const [fd, event] = [counter(), createEventBuffer(1)];
    expect(epollCtl(fd, c.EPOLL_CTL_ADD, counter(), event)).toBe(-errno.EINVAL);
    expect(epollCtl(epoll.fd, c.EPOLL_CTL_ADD, epoll.fd, event)).toBe(-errno.EINVAL);
    expect(epollCtl(epoll.fd, 9, fd, event)).toBe(-errno.EINVAL);
  });

  test('EBADF: a set or an fd that is not open, and an fd opened with O_PATH', () => {
    const gone = counter();
    closeNow(gone);
    expect(epollCtl(gone, c.EPOLL_CTL_DEL, epoll.fd, null)).toBe(-errno.EBADF);
    expect(() => epoll.modify(gone, c.EPOLLIN)).toThrow(code('EBADF'));
    const O_PATH = 0o10000000;
    const path = closeLater(openSync(__filename, O_PATH));
    expect(() => epoll.add(path, c.EPOLLIN)).toThrow(code('EBADF'));
  });

  test('EPERM: a directory', () => {
    const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
    const fd = closeLater(openSync(folder, 'r'));
    rmdirSync(folder);
    expect(() => epoll.add(fd, c.EPOLLIN)).toThrow(code('EPERM'));
  });

  test('ELOOP: a circle of three sets', () => {
    using second = new Epoll();
    using third = new Epoll();
    epoll.add(second.fd, c.EPOLLIN);
    second.add(third.fd, c.EPOLLIN);
    expect(() => third.add(epoll.fd, c.EPOLLIN)).toThrow(code('ELOOP'));
  });

  test('ELOOP: more than five sets in each other', () => {
    const sets = Array.from({ length: 7 }, () => new Epoll());
    const [first, ...others] = sets as [Epoll, ...Epoll[]];
    let [outermost, depth] = [first, 1];
    expect(() => {
      for (const set of others) {
        set.add(outermost.fd, c.EPOLLIN);
        outermost = set;
        depth += 1;
      }
    }).toThrow(code('ELOOP'));
    expect(depth).toBe(5);
    const fd = counter(1);
    first.add(fd, c.EPOLLIN);
    expect(ready(outermost)).toHaveLength(1);
    for (const set of sets) set.close();
  });
});

// It means a bad address, and no address ever comes from a caller: an event array is memory of
// ours, and what is none, or is too short, or was taken away, is refused before C sees it.
describe('EFAULT cannot happen', () => {
  const call = (name: string, memory: unknown, places = 1): number => {
    const events = memory as Uint32Array;
    if (name === 'ctl') return epollCtl(epoll.fd, c.EPOLL_CTL_ADD, counter(), events);
    if (name === 'wait') return epollWait(epoll.fd, events, places, 0);
    if (name === 'pwait') return epollPwait(epoll.fd, events, places, 0);
    return epollPwait2(epoll.fd, events, places, { seconds: 0, nanoseconds: 0 });
  };

  test.each(['ctl', 'wait', 'pwait', 'pwait2'])('%s: no address, too short, taken away', (name) => {
    for (const address of [0, -1, 0xffff_ffff, 0xdead_beefn, null, undefined, '0x0', {}]) {
      expect(() => call(name, address)).toThrow(TypeError);
    }
    const short = createEventBuffer(1).subarray(1);
    expect(() => call(name, short)).toThrow(RangeError);
    const gone = createEventBuffer(4);
    structuredClone(gone, { transfer: [gone.buffer as ArrayBuffer] });
    expect(() => call(name, gone)).toThrow(/"events?/);
    expect(ready()).toEqual([]);
  });

  test.each(['wait', 'pwait', 'pwait2'])(
    '%s: as many places as there are, not one more',
    (name) => {
      for (let index = 0; index < 5; index += 1) epoll.add(counter(1), c.EPOLLIN);
      expect(call(name, createEventBuffer(3), 3)).toBe(3);
      expect(() => call(name, createEventBuffer(3), 4)).toThrow(RangeError);
    },
  );
});

describe('fairness', () => {
  test('with fewer places than ready fds, all have the same share', () => {
    using small = new Epoll({ maxEvents: 2 });
    const shares = new Map<number, number>();
    for (let index = 0; index < 5; index += 1) small.add(counter(1), c.EPOLLIN);
    for (let turn = 0; turn < 10; turn += 1) {
      const batch = ready(small);
      expect(batch).toHaveLength(2);
      for (const { fd } of batch) shares.set(fd, (shares.get(fd) ?? 0) + 1);
    }
    expect([...shares.values()]).toEqual([4, 4, 4, 4, 4]);
  });
});

describe('edge-triggered and one-shot', () => {
  test('an fd that is ready when it is added is reported once', () => {
    epoll.add(counter(1), (c.EPOLLIN | ET) >>> 0);
    expect(ready()).toHaveLength(1);
    expect(ready()).toEqual([]);
  });

  test('modify reports again what is ready still, also without a change', () => {
    const fd = counter(1);
    epoll.add(fd, (c.EPOLLIN | ET) >>> 0);
    expect(ready()).toHaveLength(1);
    epoll.modify(fd, (c.EPOLLIN | ET) >>> 0);
    expect(ready()).toEqual([{ fd, events: c.EPOLLIN }]);
    expect(ready()).toEqual([]);
  });

  test('what is left after a read is not reported until more comes', () => {
    const [a, b] = pair();
    epoll.add(b, (c.EPOLLIN | ET) >>> 0);
    put(a, 'four');
    expect(ready()).toHaveLength(1);
    expect(read(b, new Uint8Array(1))).toBe(1);
    expect(ready()).toEqual([]);
    put(a, '!');
    expect(ready()).toHaveLength(1);
    expect(take(b)).toBe('our!');
  });

  test('a spent one-shot member stays a member', () => {
    const fd = counter(1);
    epoll.add(fd, c.EPOLLIN | c.EPOLLONESHOT);
    expect(ready()).toHaveLength(1);
    expect(() => epoll.add(fd, c.EPOLLIN)).toThrow(code('EEXIST'));
    epoll.remove(fd);
    epoll.add(fd, c.EPOLLIN);
  });

  test('a one-shot member says nothing of a hang-up once it is spent', () => {
    const [a, b] = pair();
    epoll.add(b, c.EPOLLOUT | c.EPOLLONESHOT);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLOUT }]);
    closeNow(a);
    expect(ready()).toEqual([]);
    epoll.modify(b, 0);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLHUP }]);
  });
});

describe('descriptions and their fds', () => {
  test('two fds of one description are two members', () => {
    const fd = counter(1);
    const second = duplicate(fd);
    epoll.add(fd, c.EPOLLIN);
    epoll.add(second, c.EPOLLIN);
    expect(ready()).toEqual([
      { fd, events: c.EPOLLIN },
      { fd: second, events: c.EPOLLIN },
    ]);
    epoll.remove(second);
    expect(ready()).toEqual([{ fd, events: c.EPOLLIN }]);
  });

  test('the last fd of a description that is closed is removed by the kernel', () => {
    const fd = counter(1);
    epoll.add(fd, c.EPOLLIN);
    closeNow(fd);
    expect(ready()).toEqual([]);
  });

  test('a closed fd of which a duplicate is open is still reported, and cannot be removed', () => {
    const fd = counter(1);
    const second = duplicate(fd);
    epoll.add(fd, c.EPOLLIN);
    closeNow(fd);
    expect(ready()).toEqual([{ fd, events: c.EPOLLIN }]);
    expect(() => epoll.remove(fd)).toThrow(code('EBADF'));
    expect(() => epoll.remove(second)).toThrow(code('ENOENT'));
    closeNow(second);
    expect(ready()).toEqual([]);
  });

  test('one fd in two sets is reported by both', () => {
    using other = new Epoll();
    const fd = counter(1);
    epoll.add(fd, c.EPOLLIN);
    other.add(fd, c.EPOLLIN, 7n);
    expect(ready()).toHaveLength(1);
    expect(ready(other)).toEqual([{ fd: 7, events: c.EPOLLIN }]);
  });
});

describe('nested sets', () => {
  test('the outer set is ready for as long as the inner one is, and takes nothing from it', () => {
    using inner = new Epoll();
    const fd = counter(1);
    inner.add(fd, (c.EPOLLIN | ET) >>> 0);
    epoll.add(inner.fd, c.EPOLLIN);
    expect(ready()).toEqual([{ fd: inner.fd, events: c.EPOLLIN }]);
    expect(ready()).toHaveLength(1);
    expect(ready(inner)).toEqual([{ fd, events: c.EPOLLIN }]);
    expect(ready()).toEqual([]);
  });

  test('edge-triggered, the outer set reports each new event of the inner one', () => {
    using inner = new Epoll();
    const [a, b] = pair();
    inner.add(b, c.EPOLLIN);
    epoll.add(inner.fd, (c.EPOLLIN | ET) >>> 0);
    put(a, 'x');
    expect(ready()).toHaveLength(1);
    expect(ready()).toEqual([]);
    put(a, 'y');
    expect(ready()).toHaveLength(1);
  });

  test('a closed inner set leaves the outer one', () => {
    const inner = new Epoll();
    inner.add(counter(1), c.EPOLLIN);
    epoll.add(inner.fd, c.EPOLLIN);
    inner.close();
    expect(ready()).toEqual([]);
  });
});

describe('masks', () => {
  test('EPOLLWAKEUP is accepted, and not reported', () => {
    const fd = counter(1);
    epoll.add(fd, c.EPOLLIN | c.EPOLLWAKEUP);
    expect(ready()).toEqual([{ fd, events: c.EPOLLIN }]);
  });

  test('the NORM forms are reported when asked for', () => {
    const [a, b] = pair();
    put(a, 'x');
    epoll.add(b, c.EPOLLRDNORM | c.EPOLLWRNORM);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLRDNORM | c.EPOLLWRNORM }]);
  });

  test('the BAND forms are accepted; a socket reports WRBAND, and no fd MSG', () => {
    const [a, b] = pair();
    put(a, 'x');
    epoll.add(b, c.EPOLLRDBAND | c.EPOLLWRBAND | c.EPOLLMSG);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLWRBAND }]);
  });

  test('PRI is urgent data, and nothing else', () => {
    const { connected, accepted } = tcpPair();
    epoll.add(accepted, c.EPOLLPRI);
    put(connected, 'x');
    expect(pollFds([{ fd: accepted, events: c.POLLIN }], { timeoutMs: 10_000 })).toHaveLength(1);
    expect(ready()).toEqual([]);
    expect(send(connected, Buffer.from('!'), 1, c.MSG_OOB)).toBe(1);
    expect([...epoll.wait({ timeoutMs: 10_000 })]).toEqual([{ fd: accepted, events: c.EPOLLPRI }]);
  });

  test('RDHUP is the end of the peer’s bytes, reported before those are read', () => {
    const [a, b] = pair();
    epoll.add(b, c.EPOLLIN | c.EPOLLRDHUP);
    put(a, 'last');
    expect(shutdown(a, c.SHUT_WR)).toBe(0);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLIN | c.EPOLLRDHUP }]);
    expect(take(b)).toBe('last');
    epoll.modify(b, c.EPOLLOUT);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLOUT }]);
  });

  test('ERR is a pipe without a reader, and is reported unasked', () => {
    const { reader, writer } = pipe();
    epoll.add(writer, 0);
    expect(ready()).toEqual([]);
    closeNow(reader);
    expect(ready()).toEqual([{ fd: writer, events: c.EPOLLERR }]);
  });

  test('a hang-up is reported unasked', () => {
    const [a, b] = pair();
    epoll.add(b, 0);
    expect(ready()).toEqual([]);
    closeNow(a);
    expect(ready()).toEqual([{ fd: b, events: c.EPOLLHUP }]);
  });
});

describe('user data', () => {
  test.each([0n, 1n, 0xffff_ffffn, 2n ** 32n, 0xdead_beef_cafe_f00dn, 2n ** 64n - 1n])(
    'the bigint %p comes back',
    (data) => {
      const fd = counter(1);
      epoll.add(fd, c.EPOLLIN, data);
      const list = epoll.wait({ timeoutMs: 0 });
      expect(list.data64(0)).toBe(data);
      expect([list.low(0), list.high(0)]).toEqual([Number(data % 2n ** 32n), Number(data >> 32n)]);
      epoll.modify(fd, c.EPOLLIN, { low: 3, high: 4 });
      expect(epoll.wait({ timeoutMs: 0 }).data64(0)).toBe((4n << 32n) | 3n);
      epoll.modify(fd, c.EPOLLIN);
      expect(epoll.wait({ timeoutMs: 0 }).data64(0)).toBe(BigInt(fd));
    },
  );

  test('each event of a list has its own', () => {
    for (let index = 0n; index < 5n; index += 1n) epoll.add(counter(1), c.EPOLLIN, index << 40n);
    const list = new EventList(8);
    const count = epoll.waitInto(list, 0);
    const data = Array.from({ length: count }, (_, index) => list.data64(index) >> 40n);
    expect(data).toEqual([0n, 1n, 2n, 3n, 4n]);
  });

  test.each<[unknown, ErrorConstructor]>([
    [-1n, RangeError],
    [2n ** 64n, RangeError],
    [{ low: -1, high: 0 }, RangeError],
    [{ low: 0, high: 2 ** 32 }, RangeError],
    [{ low: 0.5, high: 0 }, RangeError],
    [{ low: 0 }, TypeError],
    [5, TypeError],
    ['5', TypeError],
    [null, TypeError],
  ])('%p is refused, and nothing is added', (data, type) => {
    const fd = counter(1);
    expect(() => epoll.add(fd, c.EPOLLIN, data as bigint)).toThrow(type);
    expect(() => epoll.remove(fd)).toThrow(code('ENOENT'));
  });
});
