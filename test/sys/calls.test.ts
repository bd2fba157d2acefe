import { spawn } from 'node:child_process';
import { openSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import * as sys from '../../src/sys';
import { addressOf, POINTER_BYTES } from '../../src/sys/message-abi';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put, take } from '../support/fds';
import { next } from '../support/until';

expectNoFdLeaks();

const c = sys.constants;
const { errno } = sys;
const NOT_OPEN = 19_999;
/** Past the highest process id there can be, /proc/sys/kernel/pid_max. */
const NO_PROCESS = 2 ** 22 + 1;

function timerSpec(): sys.TimerSpec {
  return { value: { seconds: 0, nanoseconds: 0 }, interval: { seconds: 0, nanoseconds: 0 } };
}

function tcpSocket(): number {
  return closeLater(sys.socket(c.AF_INET, c.SOCK_STREAM, 0));
}

function listener(): { fd: number; address: Uint8Array } {
  const fd = closeLater(sys.socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_NONBLOCK, 0));
  const any = sys.encodeAddress({ address: '127.0.0.1', port: 0 });
  expect(sys.bind(fd, any)).toBe(0);
  expect(sys.listen(fd, 16)).toBe(0);
  const address = new Uint8Array(sys.ADDRESS_BYTES);
  return { fd, address: address.subarray(0, sys.getsockname(fd, address)) };
}

describe('every call returns -errno, and the right one', () => {
  const fresh = (): Uint8Array => new Uint8Array(16);
  const batch = (): sys.MessageBatch => new sys.MessageBatch({ bytesPerMessage: 16 });
  const calls: [string, number, () => number][] = [
    ['epollCreate1', errno.EINVAL, () => sys.epollCreate1(1)],
    ['epollCtl', errno.EBADF, () => sys.epollCtl(NOT_OPEN, 1, 0, sys.createEventBuffer(1))],
    ['epollWait', errno.EBADF, () => sys.epollWait(NOT_OPEN, sys.createEventBuffer(1), 1, 0)],
    [
      'epollWait on another kind of fd',
      errno.EINVAL,
      () => sys.epollWait(counter(), sys.createEventBuffer(1), 1, 0),
    ],
    [
      'epollPwait2',
      errno.EBADF,
      () => sys.epollPwait2(NOT_OPEN, sys.createEventBuffer(1), 1, null),
    ],
    ['eventfd', errno.EINVAL, () => sys.eventfd(0, 0x7fff)],
    ['read', errno.EBADF, () => sys.read(NOT_OPEN, fresh())],
    ['read of an empty fd', errno.EAGAIN, () => sys.read(counter(), fresh())],
    ['write', errno.EBADF, () => sys.write(NOT_OPEN, fresh())],
    ['close', errno.EBADF, () => sys.close(NOT_OPEN)],
    ['fcntl', errno.EBADF, () => sys.fcntl(NOT_OPEN, c.F_GETFL)],
    ['setNonBlocking', errno.EBADF, () => sys.setNonBlocking(NOT_OPEN)],
    ['socket', errno.EAFNOSUPPORT, () => sys.socket(255, c.SOCK_STREAM, 0)],
    [
      'socketpair',
      errno.EOPNOTSUPP,
      () => sys.socketpair(c.AF_INET, c.SOCK_STREAM, 0, new Int32Array(2)),
    ],
    ['bind', errno.EBADF, () => sys.bind(NOT_OPEN, fresh())],
    ['bind of a used address', errno.EADDRINUSE, () => sys.bind(tcpSocket(), listener().address)],
    ['listen', errno.ENOTSOCK, () => sys.listen(counter(), 1)],
    ['accept4', errno.EAGAIN, () => sys.accept4(listener().fd, 0)],
    ['connect', errno.ENOTSOCK, () => sys.connect(counter(), fresh())],
    ['shutdown', errno.ENOTSOCK, () => sys.shutdown(counter(), c.SHUT_WR)],
    ['sendto', errno.ENOTSOCK, () => sys.sendto(counter(), fresh(), 1, 0, null)],
    ['sendmsg', errno.ENOTSOCK, () => sys.sendmsg(counter(), batch(), 0, 0)],
    ['recvmsg', errno.ENOTSOCK, () => sys.recvmsg(counter(), batch(), 0, 0)],
    ['sendmmsg', errno.ENOTSOCK, () => sys.sendmmsg(counter(), batch(), 0, 1, 0)],
    ['recvmmsg', errno.ENOTSOCK, () => sys.recvmmsg(counter(), batch(), 1, 0)],
    ['send', errno.ENOTSOCK, () => sys.send(counter(), fresh(), 1, 0)],
    ['recv', errno.ENOTSOCK, () => sys.recv(counter(), fresh(), 1, 0)],
    [
      'getsockopt',
      errno.ENOTSOCK,
      () => sys.getsockopt(counter(), c.SOL_SOCKET, c.SO_ERROR, fresh()),
    ],
    [
      'setsockopt',
      errno.ENOPROTOOPT,
      () => sys.setsockopt(pair()[0], c.SOL_SOCKET, 9_999, fresh()),
    ],
    ['getsockname', errno.ENOTSOCK, () => sys.getsockname(counter(), fresh())],
    ['getpeername', errno.ENOTCONN, () => sys.getpeername(listener().fd, fresh())],
    ['timerfdCreate', errno.EINVAL, () => sys.timerfdCreate(99, 0)],
    ['timerfdSettime', errno.EINVAL, () => sys.timerfdSettime(counter(), 0, timerSpec())],
    ['timerfdGettime', errno.EBADF, () => sys.timerfdGettime(NOT_OPEN, timerSpec())],
    ['clockGettime', errno.EINVAL, () => sys.clockGettime(99, { seconds: 0, nanoseconds: 0 })],
    ['signalfd', errno.EBADF, () => sys.signalfd(NOT_OPEN, sys.encodeSignalSet([]), 0)],
    ['pthreadSigmask', errno.EINVAL, () => sys.pthreadSigmask(99, sys.encodeSignalSet([]))],
    [
      'sigtimedwait',
      errno.EAGAIN,
      () => sys.sigtimedwait(sys.encodeSignalSet([64]), { seconds: 0, nanoseconds: 1 }),
    ],
    ['sigqueue', errno.ESRCH, () => sys.sigqueue(NO_PROCESS, 0, 0)],
    ['tgkill', errno.ESRCH, () => sys.tgkill(NO_PROCESS, NO_PROCESS, 0)],
    ['pidfdOpen', errno.ESRCH, () => sys.pidfdOpen(NO_PROCESS, 0)],
    ['pidfdSendSignal', errno.EBADF, () => sys.pidfdSendSignal(counter(), 0, 0)],
    ['pidfdExitStatus', errno.EBADF, () => sys.pidfdExitStatus(NOT_OPEN)],
    ['waitid', errno.EINVAL, () => sys.waitid(99, 0, new Uint8Array(sys.SIGINFO_BYTES), 0)],
    [
      'waitid of a process that is not our child',
      errno.ECHILD,
      () => {
        const pidfd = closeLater(sys.pidfdOpen(process.pid, 0));
        const info = new Uint8Array(sys.SIGINFO_BYTES);
        return sys.waitid(c.P_PIDFD, pidfd, info, c.WEXITED | c.WNOHANG);
      },
    ],
  ];

  test.each(calls)('%s', (_name, expected, call) => {
    expect(sys.errnoName(call())).toBe(sys.errnoName(expected));
  });
});

test('an eventfd counts, and is empty after it was read', () => {
  const fd = counter(3);
  const eight = Buffer.alloc(8);
  expect(sys.read(fd, eight)).toBe(8);
  expect(eight.readBigUInt64LE()).toBe(3n);
  expect(sys.read(fd, eight)).toBe(-errno.EAGAIN);
  eight.writeBigUInt64LE(7n);
  expect(sys.write(fd, eight)).toBe(8);
  expect(sys.read(fd, eight)).toBe(8);
  expect(eight.readBigUInt64LE()).toBe(7n);
});

test('read and write use the start of a buffer, and no more than the given length', () => {
  const [a, b] = pair();
  put(a, 'hello');
  const buffer = Buffer.alloc(8, '.');
  expect(sys.read(b, buffer, 3)).toBe(3);
  expect(buffer.toString()).toBe('hel.....');
  expect(take(b)).toBe('lo');
  const view = Buffer.from('xxhixx').subarray(2, 4);
  expect(sys.write(a, view)).toBe(2);
  expect(take(b)).toBe('hi');
});

test('memory shared between threads is read and written in place', () => {
  const [a, b] = pair();
  put(a, 'shared');
  const shared = new Uint8Array(new SharedArrayBuffer(16));
  expect(sys.recv(b, shared, 16, 0)).toBe(6);
  expect(String.fromCharCode(...shared.subarray(0, 6))).toBe('shared');
});

test('fcntl reads and sets the flags of a description', () => {
  const [fd] = pair();
  expect(sys.fcntl(fd, c.F_GETFD)).toBe(c.FD_CLOEXEC);
  expect(sys.fcntl(fd, c.F_SETFL, 0)).toBe(0);
  expect(sys.fcntl(fd, c.F_GETFL) & c.O_NONBLOCK).toBe(0);
  expect(sys.setNonBlocking(fd)).toBe(0);
  expect(sys.fcntl(fd, c.F_GETFL) & c.O_NONBLOCK).toBe(c.O_NONBLOCK);
  expect(sys.setNonBlocking(fd)).toBe(0);
});

test.each([
  ['F_GETLK', 5],
  ['F_SETLKW', 7],
  ['F_GETOWN_EX', 16],
  ['F_OFD_GETLK', 36],
  ['F_GET_RW_HINT', 1035],
  ['one that does not exist', 77_777],
])('fcntl refuses an operation that takes a pointer: %s', (_name, op) => {
  // Not the address of anything: without the check the kernel says EFAULT.
  expect(() => sys.fcntl(counter(), op, 1)).toThrow(RangeError);
});

describe.each([
  ['IPv4', c.AF_INET, '127.0.0.1'],
  ['IPv6', c.AF_INET6, '::1'],
])('a TCP connection over %s', (familyName, family, ip) => {
  test('bind, listen, connect, accept4, names, send, recv, shutdown', () => {
    const server = closeLater(sys.socket(family, c.SOCK_STREAM | c.SOCK_NONBLOCK, 0));
    expect(sys.bind(server, sys.encodeAddress({ address: ip, port: 0 }))).toBe(0);
    expect(sys.listen(server, 16)).toBe(0);
    const name = new Uint8Array(sys.ADDRESS_BYTES);
    const length = sys.getsockname(server, name);
    const bound = sys.decodeAddress(name.subarray(0, length));
    expect(bound).toMatchObject({ family: familyName, address: ip });

    const client = closeLater(sys.socket(family, c.SOCK_STREAM, 0));
    expect(sys.connect(client, name.subarray(0, length))).toBe(0);
    const peer = new Uint8Array(sys.ADDRESS_BYTES);
    const accepted = closeLater(sys.accept4(server, c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, peer));
    expect(accepted).toBeGreaterThan(0);
    expect(sys.fcntl(accepted, c.F_GETFL) & c.O_NONBLOCK).toBe(c.O_NONBLOCK);
    const clientName = new Uint8Array(sys.ADDRESS_BYTES);
    expect(sys.getsockname(client, clientName)).toBe(length);
    expect(sys.decodeAddress(peer)).toEqual(sys.decodeAddress(clientName));
    expect(sys.getpeername(accepted, clientName)).toBe(length);
    expect(sys.decodeAddress(clientName)).toEqual(sys.decodeAddress(peer));

    const message = Buffer.from('over the loopback');
    expect(sys.send(client, message, message.length, c.MSG_NOSIGNAL)).toBe(message.length);
    const received = Buffer.alloc(64);
    expect(sys.recv(accepted, received, 64, c.MSG_PEEK)).toBe(message.length);
    expect(sys.recv(accepted, received, 64, 0)).toBe(message.length);
    expect(received.toString('utf8', 0, message.length)).toBe('over the loopback');
    expect(sys.recv(accepted, received, 64, 0)).toBe(-errno.EAGAIN);
    expect(sys.shutdown(client, c.SHUT_WR)).toBe(0);
    expect(sys.recv(accepted, received, 64, 0)).toBe(0);
    closeNow(accepted);
  });
});

test('a dead peer gives EPIPE, and the process lives', () => {
  const [a, b] = pair();
  closeNow(b);
  expect(sys.send(a, Buffer.from('x'), 1, c.MSG_NOSIGNAL)).toBe(-errno.EPIPE);
  expect(sys.write(a, Buffer.from('x'))).toBe(-errno.EPIPE);
});

test('socket options are set and read back', () => {
  const fd = closeLater(sys.socket(c.AF_INET, c.SOCK_STREAM, 0));
  const value = new Int32Array(1);
  expect(sys.getsockopt(fd, c.IPPROTO_TCP, c.TCP_NODELAY, value)).toBe(4);
  expect(value[0]).toBe(0);
  expect(sys.setsockopt(fd, c.IPPROTO_TCP, c.TCP_NODELAY, Int32Array.of(1))).toBe(0);
  expect(sys.getsockopt(fd, c.IPPROTO_TCP, c.TCP_NODELAY, value)).toBe(4);
  expect(value[0]).not.toBe(0);
  // A buffer that is too short gets what fits.
  expect(sys.getsockopt(fd, c.SOL_SOCKET, c.SO_TYPE, new Uint8Array(1))).toBe(1);
});

test('a filter that is read back stays within the buffer', () => {
  const instructions = 64;
  const program = new DataView(new ArrayBuffer(instructions * 8));
  // BPF_LD | BPF_IMM, and at the end BPF_RET | BPF_K.
  for (let at = 0; at < program.byteLength; at += 8) program.setUint32(at + 4, 1, true);
  program.setUint16(program.byteLength - 8, 6, true);
  // struct sock_fprog { unsigned short len; struct sock_filter *filter; }
  const header = new DataView(new ArrayBuffer(2 * POINTER_BYTES));
  header.setUint16(0, instructions, true);
  const address = addressOf(program.buffer);
  if (POINTER_BYTES === 8) header.setBigUint64(8, address, true);
  else header.setUint32(4, Number(address), true);
  const fd = closeLater(sys.socket(c.AF_INET, c.SOCK_DGRAM, 0));
  const SO_FILTER = 26;
  expect(sys.setsockopt(fd, c.SOL_SOCKET, SO_FILTER, new Uint8Array(header.buffer))).toBe(0);

  const room = new Uint8Array(program.byteLength);
  const part = room.subarray(0, instructions);
  expect(sys.getsockopt(fd, c.SOL_SOCKET, SO_FILTER, part)).toBe(-errno.EINVAL);
  expect(room.every((byte) => byte === 0)).toBe(true);
  expect(sys.getsockopt(fd, c.SOL_SOCKET, SO_FILTER, room)).toBe(instructions);
  expect(room).toEqual(new Uint8Array(program.buffer));
});

test('epoll_pwait2 waits for nanoseconds where the kernel has it', () => {
  const epfd = closeLater(sys.epollCreate1(c.EPOLL_CLOEXEC));
  const events = sys.createEventBuffer(1);
  const start = process.hrtime.bigint();
  const count = sys.epollPwait2(epfd, events, 1, { seconds: 0, nanoseconds: 2_000_000 });
  if (count === -errno.ENOSYS) return;
  expect(count).toBe(0);
  expect(process.hrtime.bigint() - start).toBeGreaterThanOrEqual(2_000_000n);
  const ready = counter(1);
  const event = sys.createEventBuffer(1);
  event[sys.EVENT_MASK_WORD] = c.EPOLLIN;
  expect(sys.epollCtl(epfd, c.EPOLL_CTL_ADD, ready, event)).toBe(0);
  expect(sys.epollPwait2(epfd, events, 1, null)).toBe(1);
});

test('EPOLL_CTL_DEL needs no event', () => {
  const epfd = closeLater(sys.epollCreate1(0));
  const fd = counter();
  expect(sys.epollCtl(epfd, c.EPOLL_CTL_ADD, fd, sys.createEventBuffer(1))).toBe(0);
  expect(sys.epollCtl(epfd, c.EPOLL_CTL_DEL, fd, null)).toBe(0);
});

test('a timer keeps seconds and nanoseconds, also more than 32 bits of them', () => {
  const fd = closeLater(sys.timerfdCreate(c.CLOCK_MONOTONIC, c.TFD_NONBLOCK | c.TFD_CLOEXEC));
  const interval = { seconds: 5_000_000_000, nanoseconds: 999_999_999 };
  const value = { seconds: 4_294_967_296, nanoseconds: 1 };
  expect(sys.timerfdSettime(fd, 0, { value, interval })).toBe(0);
  const left = timerSpec();
  expect(sys.timerfdGettime(fd, left)).toBe(0);
  expect(left.interval).toEqual(interval);
  expect(left.value.seconds).toBe(4_294_967_295);
});

test('clock_gettime gives the time of the wall and since boot', () => {
  const time = { seconds: 0, nanoseconds: 0 };
  const wall = Date.now();
  expect(sys.clockGettime(c.CLOCK_REALTIME, time)).toBe(0);
  const milliseconds = time.seconds * 1_000 + Math.floor(time.nanoseconds / 1e6);
  expect([wall <= milliseconds, milliseconds <= Date.now()]).toEqual([true, true]);
  const before = process.hrtime.bigint();
  expect(sys.clockGettime(c.CLOCK_MONOTONIC, time)).toBe(0);
  const now = BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds);
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(process.hrtime.bigint());
});

test('waitid looks at a child without reaping it, as often as one likes', () => {
  const child = spawn('sh', ['-c', 'exit 5'], { stdio: 'ignore' });
  const pidfd = closeLater(sys.pidfdOpen(child.pid as number, 0));
  const info = new Uint8Array(sys.SIGINFO_BYTES);
  // Without WNOHANG this waits; Node does not get to reap the child meanwhile.
  for (let looks = 0; looks < 2; looks += 1) {
    expect(sys.waitid(c.P_PIDFD, pidfd, info, c.WEXITED | c.WNOWAIT)).toBe(0);
    expect(sys.decodeChildInfo(info)).toEqual({
      pid: child.pid,
      uid: process.getuid?.(),
      code: c.CLD_EXITED,
      status: 5,
    });
    info.fill(0);
  }
  return expect(next(child, 'exit')).resolves.toEqual([5, null]);
});

describe('sets of signals', () => {
  test('have bit n - 1 for signal n', () => {
    const set = sys.encodeSignalSet(['SIGHUP', 'SIGUSR1', 64, 9]);
    expect(set).toHaveLength(128);
    expect([...set.subarray(0, 8)]).toEqual([0x01, 0x03, 0, 0, 0, 0, 0, 0x80]);
    expect(set.subarray(8).every((byte) => byte === 0)).toBe(true);
  });

  test('refuse what is no signal', () => {
    for (const wrong of [['SIGNOPE'], [0], [65], [1.5], ['toString']]) {
      expect(() => sys.encodeSignalSet(wrong as number[])).toThrow(RangeError);
    }
    expect(() => sys.encodeSignalSet('SIGHUP' as never)).toThrow(TypeError);
  });

  test('names and numbers', () => {
    expect([sys.signalNumber('SIGTERM'), sys.signalNumber(40)]).toEqual([15, 40]);
    expect([sys.signalName(15), sys.signalName(29), sys.signalName(40)]).toEqual([
      'SIGTERM',
      'SIGIO',
      null,
    ]);
  });
});

test('a signal that is blocked stays pending, and is taken with sigtimedwait', () => {
  const set = sys.encodeSignalSet(['SIGUSR2']);
  const former = sys.encodeSignalSet([]);
  const now = { seconds: 0, nanoseconds: 0 };
  expect(sys.pthreadSigmask(c.SIG_BLOCK, set, former)).toBe(0);
  try {
    const thread = Number(basename(readlinkSync('/proc/thread-self')));
    expect(sys.tgkill(process.pid, thread, 12)).toBe(0);
    expect(sys.sigtimedwait(set, now)).toBe(12);
    expect(sys.sigtimedwait(set, now)).toBe(-errno.EAGAIN);
  } finally {
    expect(sys.pthreadSigmask(c.SIG_SETMASK, former)).toBe(0);
  }
});

describe('system errors look like those of Node', () => {
  test('code, errno, syscall, fd and a message that says why', () => {
    const file = closeLater(openSync(__filename, 'r'));
    const error = new sys.SystemError('epoll_ctl', -errno.EPERM, { reason: 'a file', fd: file });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'SystemError',
      code: 'EPERM',
      errno: -errno.EPERM,
      syscall: 'epoll_ctl',
      fd: file,
      message: 'epoll_ctl EPERM: a file',
    });
    expect('port' in error).toBe(false);
  });

  test('the names and texts of numbers of either sign, known or not', () => {
    expect(sys.errnoName(-errno.EAGAIN)).toBe('EAGAIN');
    expect(sys.errnoName(errno.EOPNOTSUPP)).toMatch(/^(EOPNOTSUPP|ENOTSUP)$/);
    expect(sys.errnoText(-errno.EADDRINUSE)).toBe('address already in use');
    expect(sys.errnoName(9_999)).toBe('errno 9999');
    expect(sys.errnoText(9_999)).toBe('unknown error');
  });

  test('unwrap passes results and throws the rest', () => {
    expect(sys.unwrap(5, 'read')).toBe(5);
    expect(() => sys.unwrap(-errno.EBADF, 'read', { fd: 7 })).toThrow('read EBADF: bad file');
  });
});
