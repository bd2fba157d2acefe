/**
 * Every function of `sys` once, with arguments that make it work: run by every-call.test.ts in the
 * main thread and, as a script, in a worker. What each of them does exactly has tests of its own.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { isMainThread, parentPort } from 'node:worker_threads';
import * as original from '../../../src/sys';

type Sys = typeof original;

const c = original.constants;
const NOW = { seconds: 0, nanoseconds: 0 };
/** Not a signal that anybody else uses. */
const SIGNAL = 50;

/** `sys`, and the functions of it that were called and did not fail. */
function recorded(worked: Set<string>): Sys {
  const wrap = (name: string, call: (...args: unknown[]) => unknown) => {
    return (...args: unknown[]): unknown => {
      const outcome = call(...args);
      if (typeof outcome === 'number' && outcome < 0) {
        throw new Error(`${name}: ${original.errnoName(outcome)}`);
      }
      worked.add(name);
      return outcome;
    };
  };
  return new Proxy(original, {
    get(target, name: string) {
      const member = target[name as keyof Sys] as unknown;
      const isCall = typeof member === 'function' && !/^[A-Z]/.test(name);
      return isCall ? wrap(name, member as () => unknown) : member;
    },
  });
}

/** The names of the functions that worked. Leaves nothing open. */
export function callEach(): string[] {
  const worked = new Set<string>();
  const sys = recorded(worked);
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
  const open: number[] = [];
  const keep = (fd: number): number => {
    open.push(fd);
    return fd;
  };
  try {
    for (const part of [epolls, files, streams, messages, timers, signals, processes, terminals]) {
      part(sys, keep);
    }
    changes(sys, keep, folder);
    names(sys);
    sys.close(open.pop() as number);
    sys.closeOwned(sys.own(open.pop() as number));
    sys.disown(sys.own(open[0] as number));
  } finally {
    for (const fd of open) original.close(fd);
    rmSync(folder, { recursive: true });
  }
  return [...worked].sort();
}

type Keep = (fd: number) => number;

function same(actual: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${one} instead of ${other}`);
}

function epolls(sys: Sys, keep: Keep): void {
  const [epfd, fd] = [keep(sys.epollCreate1(c.EPOLL_CLOEXEC)), keep(sys.eventfd(1, c.EFD_CLOEXEC))];
  const events = sys.createEventBuffer(1);
  events[sys.EVENT_MASK_WORD] = c.EPOLLIN;
  sys.epollCtl(epfd, c.EPOLL_CTL_ADD, fd, events);
  const mask = sys.encodeSignalSet([SIGNAL]);
  same(sys.epollWait(epfd, events, 1, 0), 1);
  same(sys.epollPwait(epfd, events, 1, 0, mask), 1);
  const young = original.epollPwait2(epfd, events, 1, NOW, mask);
  same(young === 1 || young === -original.errno.ENOSYS, true);
  const list = new sys.PollList(1);
  list.set(0, fd, c.POLLIN);
  same([sys.poll(list.bytes, 1, 0), sys.ppoll(list.bytes, 1, NOW, mask)], [1, 1]);
  const set = new sys.FdSet([fd]);
  same(sys.select(fd + 1, set, null, null, { seconds: 0, microseconds: 0 }), 1);
}

function files(sys: Sys, keep: Keep): void {
  const fds = new Int32Array(2);
  const makePipe = (): [number, number] => {
    sys.pipe2(fds, c.O_CLOEXEC | c.O_NONBLOCK);
    return [keep(fds[0] as number), keep(fds[1] as number)];
  };
  const [[reader, writer], [second, third]] = [makePipe(), makePipe()];
  const [file, copy] = [keep(sys.memfdCreate('a', c.MFD_CLOEXEC)), keep(sys.memfdCreate('b', 0))];
  same(sys.writev(file, [Buffer.from('he'), Buffer.from('llo')]), 5);
  same(sys.write(copy, Buffer.from('')), 0);
  same([sys.sendfile(copy, file, 1, 4), sys.lseek(copy, 0, c.SEEK_END)], [4, 4]);
  same([sys.splice(file, 0, writer, null, 5, 0), sys.tee(reader, third, 3, 0)], [5, 3]);
  const waiting = new Int32Array(1);
  sys.ioctl(reader, c.FIONREAD, waiting);
  same([waiting[0], sys.ioctlSize(c.FIONREAD)], [5, original.ioctlSize(c.FIONREAD)]);
  // The second pipe's reading end becomes another fd for the first one's.
  same(sys.dup3(reader, second, c.O_CLOEXEC), second);
  const text = Buffer.alloc(8);
  same(text.toString('latin1', 0, sys.read(second, text)), 'hello');
  same(sys.fcntl(copy, c.F_GETFL) & c.O_NONBLOCK, 0);
  sys.setNonBlocking(copy);
  same(sys.fcntl(copy, c.F_GETFL) & c.O_NONBLOCK, c.O_NONBLOCK);
}

const CLOEXEC = c.SOCK_CLOEXEC;

function streams(sys: Sys, keep: Keep): void {
  const listener = keep(sys.socket(c.AF_INET, c.SOCK_STREAM | CLOEXEC, 0));
  sys.setsockopt(listener, c.SOL_SOCKET, c.SO_REUSEADDR, Int32Array.of(1));
  sys.setsockopt(listener, c.SOL_SOCKET, c.SO_REUSEPORT, Int32Array.of(1));
  const value = new Int32Array(1);
  same(sys.getsockopt(listener, c.SOL_SOCKET, c.SO_REUSEADDR, value) && value[0], 1);
  sys.bind(listener, sys.encodeAddress({ address: '127.0.0.1', port: 0 }));
  sys.listen(listener, 1);
  sys.attachReusePortFilter(listener, 1);
  const bytes = new Uint8Array(sys.ADDRESS_BYTES);
  const address = bytes.slice(0, sys.getsockname(listener, bytes));
  const client = keep(sys.socket(c.AF_INET, c.SOCK_STREAM | CLOEXEC, 0));
  sys.connect(client, address);
  const accepted = keep(sys.accept4(listener, CLOEXEC));
  const peer = bytes.subarray(0, sys.getpeername(client, bytes));
  same(sys.decodeAddress(peer), original.decodeAddress(address));
  same(sys.addressNetwork(peer), original.addressNetwork(address));
  same(sys.send(client, Buffer.from('hello'), 5, c.MSG_NOSIGNAL), 5);
  sys.shutdown(client, c.SHUT_WR);
  same([sys.recv(accepted, bytes, 128, 0), sys.recv(accepted, bytes, 128, 0)], [5, 0]);
}

function messages(sys: Sys, keep: Keep): void {
  const fds = new Int32Array(2);
  sys.socketpair(c.AF_UNIX, c.SOCK_DGRAM | CLOEXEC, 0, fds);
  const [here, there] = [keep(fds[0] as number), keep(fds[1] as number)];
  const controlBytes = sys.controlSpace(12);
  const batch = new sys.MessageBatch({ count: 2, bytesPerMessage: 8, controlBytes });
  sys.setsockopt(there, c.SOL_SOCKET, c.SO_PASSCRED, Int32Array.of(1));
  same(sys.sendto(here, Buffer.from('one'), 3, 0, null), 3);
  same([sys.recvmsg(there, batch, 0, 0), batch.received(0).toString()], [3, 'one']);
  const [control] = batch.control(0);
  same(sys.decodeCredentials(control?.data as Uint8Array).pid, process.pid);
  batch.set(0, Buffer.from('two'));
  batch.set(1, Buffer.from('three'));
  same([sys.sendmsg(here, batch, 0, 0), sys.sendmmsg(here, batch, 0, 2, 0)], [3, 2]);
  same([sys.recvmmsg(there, batch, 2, 0), batch.received(1).toString()], [2, 'two']);
  const name = sys.encodeUnixAddress({ path: '' });
  sys.bind(here, name);
  const bytes = new Uint8Array(sys.ADDRESS_BYTES);
  same(sys.decodeUnixAddress(bytes.subarray(0, sys.getsockname(here, bytes)))?.path[0], '\0');
  const group = keep(sys.socket(c.AF_INET, c.SOCK_DGRAM | CLOEXEC, 0));
  const membership = sys.encodeMembership('224.0.0.251', '127.0.0.1');
  sys.setsockopt(group, c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, membership);
  const netlink = keep(sys.socket(c.AF_NETLINK, c.SOCK_RAW | CLOEXEC, c.NETLINK_ROUTE));
  sys.bind(netlink, sys.encodeNetlinkAddress(0));
  const request = sys.encodeDumpRequest(c.RTM_GETLINK, 1);
  sys.send(netlink, request, request.byteLength, 0);
  const buffer = new Uint8Array(65_536);
  const length = sys.recv(netlink, buffer, buffer.byteLength, 0);
  const links = sys.decodeRouteMessages(buffer, length);
  same(
    links.some((link) => link.type === 'link' && link.name === 'lo'),
    true,
  );
}

function timers(sys: Sys, keep: Keep): void {
  const fd = keep(sys.timerfdCreate(c.CLOCK_MONOTONIC, c.TFD_CLOEXEC));
  const hour = { value: { seconds: 3_600, nanoseconds: 0 }, interval: { ...NOW } };
  sys.timerfdSettime(fd, 0, hour);
  const left = { value: { ...NOW }, interval: { ...NOW } };
  sys.timerfdGettime(fd, left);
  same(left.value.seconds > 3_500, true);
  const time = { ...NOW };
  sys.clockGettime(c.CLOCK_MONOTONIC, time);
  same(time.seconds > 0, true);
}

/** Blocked here, sent to this thread alone, and taken before it is let through again. */
function signals(sys: Sys, keep: Keep): void {
  const set = sys.encodeSignalSet([SIGNAL]);
  const former = sys.encodeSignalSet([]);
  sys.pthreadSigmask(c.SIG_BLOCK, set, former);
  try {
    const fd = keep(sys.signalfd(-1, set, c.SFD_CLOEXEC | c.SFD_NONBLOCK));
    const thread = Number(basename(readlinkSync('/proc/thread-self')));
    for (const _ of [1, 2]) sys.tgkill(process.pid, thread, SIGNAL);
    same(sys.sigtimedwait(set, NOW), SIGNAL);
    const info = new Uint8Array(sys.SIGNALFD_SIGINFO_BYTES);
    sys.read(fd, info);
    same(sys.decodeSignalInfo(info).number, SIGNAL);
  } finally {
    sys.pthreadSigmask(c.SIG_SETMASK, former);
  }
  // Only asks whether it could be sent.
  sys.sigqueue(process.pid, 0, 1);
  same([sys.signalName(15), sys.signalNumber('SIGTERM')], ['SIGTERM', 15]);
}

function processes(sys: Sys, keep: Keep): void {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const pid = child.pid as number;
  const pidfd = keep(sys.pidfdOpen(pid, 0));
  const limits = { soft: 0, hard: 0 };
  sys.prlimit(pid, c.RLIMIT_NOFILE, null, limits);
  same(limits.soft > 0, true);
  sys.pidfdSendSignal(pidfd, 9, 0);
  const info = new Uint8Array(sys.SIGINFO_BYTES);
  // This waits; Node does not get to reap the child meanwhile.
  sys.waitid(c.P_PIDFD, pidfd, info, c.WEXITED | c.WNOWAIT);
  same([sys.decodeChildInfo(info).pid, sys.decodeChildInfo(info).status], [pid, 9]);
}

function terminals(sys: Sys, keep: Keep): void {
  const master = keep(sys.posixOpenpt(2));
  sys.grantpt(master);
  sys.unlockpt(master);
  same(sys.ptsname(master, new Uint8Array(64)) > '/dev/pts/'.length, true);
  sys.setWindowSize(master, { columns: 70, rows: 20 });
  const size = { columns: 0, rows: 0 };
  sys.getWindowSize(master, size);
  same(size, { columns: 70, rows: 20 });
  const modes = new Uint8Array(sys.TERMIOS_BYTES);
  sys.tcgetattr(master, modes);
  sys.cfmakeraw(modes);
  same(sys.returnsAtOnce(modes), false);
  sys.tcsetattr(master, c.TCSANOW, modes);
}

function changes(sys: Sys, keep: Keep, folder: string): void {
  const fd = keep(sys.inotifyInit1(c.IN_CLOEXEC | c.IN_NONBLOCK));
  const id = sys.inotifyAddWatch(fd, sys.encodePath(folder).subarray(0, -1), c.IN_CREATE);
  writeFileSync(join(folder, 'file'), '');
  const buffer = new Uint8Array(1_024);
  const events = sys.decodeInotifyEvents(buffer, sys.read(fd, buffer));
  same(
    events.map(({ name }) => name.toString()),
    ['file'],
  );
  sys.inotifyRmWatch(fd, id);
  const directory = keep(sys.openat(c.AT_FDCWD, folder, c.O_PATH | c.O_CLOEXEC));
  keep(sys.openat(directory, 'file', c.O_CLOEXEC));
  sys.unlinkat(directory, 'file', 0);
}

function names(sys: Sys): void {
  same([sys.errnoName(-2), sys.errnoText(-2)], ['ENOENT', original.errnoText(2)]);
  same(sys.unwrap(3, 'read'), 3);
}

if (!isMainThread) parentPort?.postMessage(callEach());
