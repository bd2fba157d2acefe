/**
 * Throws wrong arguments at every function of `sys`; run as a process of its own by
 * argument-storm.test.ts, so that a crash is seen. Usage: argument-storm.ts CALLS SEED
 *
 * Each call has at least one wrong argument and must be refused before C sees it: with a TypeError
 * or RangeError that has Node's code. The right arguments among them are harmless ones.
 */
import { readdirSync } from 'node:fs';
import * as sys from '../../src/sys';
import {
  address,
  anObject,
  bytes,
  events,
  fd,
  int,
  integers,
  path,
  random,
  room,
  setSeed,
  timespec,
  type Unit,
  uint,
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
  epollPwait2: [fd, events, timespec],
  eventfd: [uint, int],
  read: [fd, bytes],
  write: [fd, bytes],
  close: [fd],
  fcntl: [fd, int, int],
  setNonBlocking: [fd],
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
  getsockname: [fd, whole],
  getpeername: [fd, whole],
  encodeAddress: [address],
  decodeAddress: [whole],
  encodePath: [path],
  inotifyInit1: [int],
  inotifyAddWatch: [fd, path, uint],
  inotifyRmWatch: [fd, int],
  decodeInotifyEvents: [bytes],
  encodeNetlinkAddress: [uint],
  encodeDumpRequest: [int, uint],
  decodeRouteMessages: [bytes],
  pipe2: [int, room(8)],
  posixOpenpt: [int],
  grantpt: [fd],
  unlockpt: [fd],
  ptsname: [fd, whole],
  getWindowSize: [fd, anObject],
  setWindowSize: [fd, windowSize],
  tcgetattr: [fd, room(sys.TERMIOS_BYTES)],
  tcsetattr: [fd, int, room(sys.TERMIOS_BYTES)],
  cfmakeraw: [room(sys.TERMIOS_BYTES)],
};

/** What has no argument that C would see. */
const HARMLESS = ['errnoName', 'errnoText', 'unwrap', 'SystemError'];

function storm(name: string, units: Unit[]): void {
  const call = sys[name as keyof typeof sys] as (...args: unknown[]) => unknown;
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
