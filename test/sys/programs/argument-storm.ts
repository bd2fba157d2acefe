/**
 * Throws wrong arguments at every function of `sys`; run as a process of its own by
 * argument-storm.test.ts, so that a crash is seen. Usage: argument-storm.ts CALLS SEED
 *
 * Each call has at least one wrong argument and must be refused before C sees it: with a TypeError
 * or RangeError that has Node's code. The right arguments among them are harmless ones.
 */
import { readdirSync } from 'node:fs';
import * as sys from '../../../src/sys';
import { random, setSeed } from '../../support/storm-random';
import {
  address,
  anObject,
  atMost,
  batch,
  batchOptions,
  buffers,
  bytes,
  controlMessage,
  count,
  events,
  fd,
  fdSet,
  int,
  integers,
  ipText,
  limit,
  limitOut,
  mask,
  objects,
  path,
  pollfds,
  position,
  processId,
  request,
  room,
  roomOrNull,
  signal,
  signalMask,
  signals,
  text,
  timerSpec,
  timerSpecOut,
  timespec,
  timeval,
  type Unit,
  uint,
  unixAddress,
  whole,
  windowSize,
} from './storm-units';

Error.stackTraceLimit = 0;
const calls = Number(process.argv[2] ?? 100_000);
setSeed(Number(process.argv[3] ?? 1));

const table: Record<string, Unit[]> = {
  createEventBuffer: [integers(1, sys.MAX_EVENTS, 1)],
  epollCreate1: [int],
  epollCtl: [fd, { ...int, right: () => [1] }, fd, room(sys.EVENT_BYTES)],
  epollWait: [fd, events, integers(-1, 2 ** 31 - 1, 0)],
  epollPwait: [fd, events, integers(-1, 2 ** 31 - 1, 0), signalMask],
  epollPwait2: [fd, events, timespec, signalMask],
  poll: [pollfds, integers(-1, 2 ** 31 - 1, 0)],
  ppoll: [pollfds, timespec, signalMask],
  select: [integers(0, 1_024, 0), fdSet, fdSet, fdSet, timeval],
  encodeSignalSet: [signals],
  eventfd: [uint, int],
  read: [fd, bytes],
  write: [fd, bytes],
  writev: [fd, buffers],
  close: [fd],
  closeOwned: [fd],
  own: [fd],
  disown: [fd],
  fcntl: [fd, int, int],
  setNonBlocking: [fd],
  ioctl: [fd, request],
  ioctlSize: [mask],
  sendfile: [fd, fd, position, count],
  splice: [fd, position, fd, position, count, mask],
  tee: [fd, fd, count, mask],
  pipe2: [room(8), int],
  // Both are the same fd: EINVAL, and nothing is closed.
  dup3: [fd, fd, int],
  memfdCreate: [text, mask],
  openat: [fd, path, int],
  unlinkat: [fd, path, int],
  lseek: [fd, integers(-(2 ** 53) + 1, 2 ** 53 - 1, 0), int],
  prlimit: [integers(0, 2 ** 31 - 1, 0), integers(0, 2 ** 31 - 1, 7), limit, limitOut],
  socket: [int, int, int],
  socketpair: [int, int, int, room(8)],
  bind: [fd, whole],
  listen: [fd, int],
  accept4: [fd, int, whole],
  connect: [fd, whole],
  shutdown: [fd, int],
  send: [fd, bytes, int],
  recv: [fd, bytes, int],
  getsockopt: [fd, int, int, whole],
  setsockopt: [fd, int, int, whole],
  attachReusePortFilter: [fd, integers(1, 2 ** 32 - 1, 1)],
  getsockname: [fd, whole],
  getpeername: [fd, whole],
  encodeAddress: [address],
  decodeAddress: [whole],
  addressNetwork: [whole],
  timerfdCreate: [int, int],
  timerfdSettime: [fd, int, timerSpec],
  timerfdGettime: [fd, timerSpecOut],
  clockGettime: [int, objects({ seconds: 0, nanoseconds: 0 })],
  signalNumber: [signal],
  signalName: [integers(1, 64, 1)],
  signalfd: [integers(-1, 2 ** 31 - 1, -1), room(128), int],
  pthreadSigmask: [int, { ...roomOrNull(128), right: () => [null] }, roomOrNull(128)],
  sigtimedwait: [room(128), timespec],
  decodeSignalInfo: [room(sys.SIGNALFD_SIGINFO_BYTES)],
  // The right signal is 0, which only asks.
  sigqueue: [processId, integers(0, 64, 0), int],
  tgkill: [processId, processId, integers(0, 64, 0)],
  pidfdOpen: [processId, mask],
  pidfdSendSignal: [fd, integers(0, 64, 0), mask],
  pidfdExitStatus: [fd],
  waitid: [int, uint, room(sys.SIGINFO_BYTES), int],
  decodeChildInfo: [room(sys.SIGINFO_BYTES)],
  encodeMembership: [ipText, ipText],
  encodeUnixAddress: [unixAddress],
  decodeUnixAddress: [whole],
  sendto: [fd, bytes, int, whole],
  sendmsg: [fd, batch, integers(0, 3, 0), int],
  recvmsg: [fd, batch, integers(0, 3, 0), int],
  sendmmsg: [fd, batch, integers(0, 3, 0), integers(1, 4, 1), int],
  recvmmsg: [fd, batch, integers(1, 4, 4), int],
  controlSpace: [integers(0, 2 ** 31 - 1, 4)],
  decodeCredentials: [room(12)],
  MessageBatch: [batchOptions],
  'MessageBatch.length': [integers(0, 3, 0)],
  'MessageBatch.flags': [integers(0, 3, 0)],
  'MessageBatch.received': [integers(0, 3, 0)],
  'MessageBatch.room': [integers(0, 3, 0)],
  'MessageBatch.address': [integers(0, 3, 0)],
  'MessageBatch.control': [integers(0, 3, 0)],
  'MessageBatch.set': [integers(0, 3, 0), atMost(16), atMost(128)],
  'MessageBatch.setLength': [integers(0, 3, 0), integers(0, 16, 16)],
  'MessageBatch.setAddress': [integers(0, 3, 0), atMost(128)],
  'MessageBatch.clearControl': [integers(0, 3, 0)],
  'MessageBatch.addControl': [integers(0, 3, 0), controlMessage],
  errnoName: [int],
  errnoText: [int],
  encodePath: [path],
  inotifyInit1: [int],
  inotifyAddWatch: [fd, path, mask],
  inotifyRmWatch: [fd, int],
  decodeInotifyEvents: [bytes],
  encodeNetlinkAddress: [mask],
  encodeDumpRequest: [int, uint],
  decodeRouteMessages: [bytes],
  posixOpenpt: [int],
  grantpt: [fd],
  unlockpt: [fd],
  ptsname: [fd, whole],
  getWindowSize: [fd, anObject],
  setWindowSize: [fd, windowSize],
  returnsAtOnce: [room(sys.TERMIOS_BYTES)],
  tcgetattr: [fd, room(sys.TERMIOS_BYTES)],
  tcsetattr: [fd, int, room(sys.TERMIOS_BYTES)],
  cfmakeraw: [room(sys.TERMIOS_BYTES)],
};

/** What has no argument that C would see. */
const HARMLESS = [
  // A class, and what makes one for a negative number; test/odd-values.test.ts has both.
  'unwrap',
  'SystemError',
  // Memory for calls that check it; test/sys/poll.test.ts has their own checks.
  'PollList',
  'FdSet',
];

const target = new sys.MessageBatch({ count: 4, bytesPerMessage: 16, controlBytes: 64 });

/** A function of `sys`, a class (which is constructed), or a method of one, called on `target`. */
function callOf(name: string): (...args: unknown[]) => unknown {
  if (name === 'MessageBatch') return (...args) => new sys.MessageBatch(args[0] as never);
  const [owner, method] = name.split('.');
  if (owner === 'MessageBatch') {
    const methods = target as unknown as Record<string, (...args: unknown[]) => unknown>;
    return (...args) => methods[method as string]?.(...args);
  }
  return sys[name as keyof typeof sys] as (...args: unknown[]) => unknown;
}

function storm(name: string, units: Unit[]): void {
  const call = callOf(name);
  for (let count = 0; count < calls; count += 1) {
    const wrongOne = random(units.length);
    const args = units.flatMap((unit, index) =>
      index === wrongOne || random(4) === 0 ? unit.wrong() : unit.right(),
    );
    try {
      call(...args);
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if (code === 'ERR_INVALID_ARG_TYPE' || code === 'ERR_OUT_OF_RANGE') continue;
      throw error;
    }
    console.error(`${name} accepted`, args);
    process.exit(1);
  }
}

const exported = Object.keys(sys).filter(
  (name) => typeof sys[name as keyof typeof sys] === 'function',
);
const forgotten = exported.filter((name) => !(name in table) && !HARMLESS.includes(name));
if (forgotten.length > 0) throw new Error(`no storm for ${forgotten}`);

const fdsBefore = readdirSync('/proc/self/fd').length;
for (const [name, units] of Object.entries(table)) storm(name, units);
const fdsAfter = readdirSync('/proc/self/fd').length;
console.log(JSON.stringify({ functions: Object.keys(table).length, calls, fdsBefore, fdsAfter }));
