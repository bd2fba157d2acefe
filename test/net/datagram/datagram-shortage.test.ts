/**
 * A machine without memory to receive: the test gives outcomes of its own instead of recvmmsg(2)'s.
 */
import { EventLoop } from '../../../src/loop/event-loop';
import { DatagramSocket } from '../../../src/net/datagram/socket';
import { FIRST_REST_MS } from '../../../src/net/socket/shortage';
import { encodeAddress, type SocketAddress } from '../../../src/sys/address';
import * as constants from '../../../src/sys/constants';
import { errno, type SystemError, unwrap } from '../../../src/sys/errno';
import type * as messageCalls from '../../../src/sys/message';
import { bind, connect, send, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { watchedMask } from '../../support/fdinfo';
import { closeLater } from '../../support/fds';
import { next, until } from '../../support/until';

/** Outcomes of the next calls; the kernel's after these. */
let outcomes: number[];
let calls: number;

jest.mock('../../../src/sys/message', () => {
  const actual = jest.requireActual<typeof messageCalls>('../../../src/sys/message');
  const recvmmsg: typeof actual.recvmmsg = (...args) => {
    calls += 1;
    return outcomes.shift() ?? actual.recvmmsg(...args);
  };
  return { ...actual, recvmmsg };
});

expectNoFdLeaks();

const { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } = constants;
const { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT } = constants;
const ALWAYS = EPOLLERR | EPOLLHUP;
const { ENOBUFS, ENOMEM } = errno;
const HOUR_MS = 3_600_000;

let loop: EventLoop;
let one: DatagramSocket;
let to: SocketAddress;
let texts: string[];
let errors: SystemError[];
/** How long each rest was to be. */
let rests: number[];
/** Rests are an hour. */
let isEndless: boolean;

beforeEach(() => {
  [outcomes, calls, texts, errors, rests, isEndless] = [[], 0, [], [], [], false];
  loop = new EventLoop({ waiter: 'libuv' });
  const schedule = loop.timers.schedule.bind(loop.timers);
  jest.spyOn(loop.timers, 'schedule').mockImplementation((timer, delayMs) => {
    rests.push(delayMs);
    schedule(timer, isEndless ? HOUR_MS : delayMs);
  });
  one = new DatagramSocket({ bind: { address: '127.0.0.1', port: 0 }, loop });
  to = one.address as SocketAddress;
  one.on('message', (bytes) => texts.push(bytes.toString()));
  one.on('error', (error) => errors.push(error as SystemError));
});
afterEach(() => {
  one.close();
  loop.close();
  jest.restoreAllMocks();
});

test.each([
  ['ENOMEM', ENOMEM],
  ['ENOBUFS', ENOBUFS],
])(
  '%s: the socket rests longer and longer, reports one error, and then receives everything',
  async (code, number) => {
    outcomes = [-number, -number, -number, -number];
    one.send('first', to);
    one.send('second', to);
    await until(() => texts.length === 2);
    expect([texts, one.closed]).toEqual([['first', 'second'], false]);
    expect(rests).toEqual([1, 2, 4, 8].map((factor) => factor * FIRST_REST_MS));
    expect(errors).toEqual([expect.objectContaining({ code, syscall: 'recvmmsg', fd: one.fd })]);
    expect(watchedMask(loop, one.fd)).toBe(EPOLLIN | ALWAYS);
    // A message that was received makes the next rest a short one again.
    outcomes = [-number];
    one.send('third', to);
    await until(() => texts.length === 3);
    expect(rests.at(-1)).toBe(FIRST_REST_MS);
  },
);

test('nothing is asked of the kernel during a rest, and closing ends it', async () => {
  isEndless = true;
  outcomes = [-ENOMEM];
  one.send('x', to);
  await until(() => errors.length === 1);
  // Others are served, and one more comes, which is not asked for either.
  one.send('y', to);
  using other = new DatagramSocket({ bind: { address: '127.0.0.1', port: 0 }, loop });
  const before = calls;
  for (let round = 0; round < 10; round += 1) {
    one.send('z', other.address as SocketAddress);
    await next(other, 'message');
  }
  expect([calls - before, texts, one.closed]).toEqual([10, [], false]);
  expect(loop.stats().timers).toBe(1);
  one.close();
  expect(loop.stats().timers).toBe(0);
});

test('a socket that rests emits drain, and is watched for nothing else', async () => {
  isEndless = true;
  outcomes = [-ENOMEM];
  const path = `\0epoll-ffi-shortage-${process.pid}`;
  using peer = new DatagramSocket({ bind: { path }, loop });
  using unix = new DatagramSocket({ bind: { path: `${path}-` }, connect: { path }, loop });
  unix.on('error', (error) => errors.push(error as SystemError));
  unix.on('message', (bytes) => texts.push(bytes.toString()));
  peer.send('for the rest', { path: `${path}-` });
  await until(() => errors.length === 1);
  expect(watchedMask(loop, unix.fd)).toBe((EPOLLET | ALWAYS) >>> 0);
  while (unix.send('fill'));
  expect(watchedMask(loop, unix.fd)).toBe((EPOLLET | EPOLLOUT | ALWAYS) >>> 0);
  await next(unix, 'drain');
  expect(watchedMask(loop, unix.fd)).toBe((EPOLLET | ALWAYS) >>> 0);
});

test('a socket that rests reports a message that did not arrive', async () => {
  isEndless = true;
  outcomes = [-ENOMEM];
  one.close();
  using both = new DatagramSocket({ bind: to, connect: to, loop });
  both.on('error', (error) => errors.push(error as SystemError));
  both.send('to itself');
  await until(() => errors.length === 1);
  const gone = new DatagramSocket({ bind: { address: '127.0.0.1', port: 0 }, loop });
  unwrap(connect(both.fd, encodeAddress(gone.address as SocketAddress)), 'connect');
  gone.close();
  both.send('to nobody');
  await until(() => errors.length === 2);
  expect(errors.map(({ code }) => code)).toEqual(['ENOMEM', 'ECONNREFUSED']);
});

test('the rest ends while there is no room: both are watched', async () => {
  const path = `\0epoll-ffi-shortage-${process.pid}`;
  const fd = unwrap(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  unwrap(bind(closeLater(fd), encodeUnixAddress({ path })), 'bind');
  using unix = new DatagramSocket({ bind: { path: `${path}-` }, connect: { path }, loop });
  unwrap(connect(fd, encodeUnixAddress({ path: `${path}-` })), 'connect');
  outcomes = [-ENOBUFS];
  while (unix.send('fill'));
  unwrap(send(fd, Buffer.from('x'), 1, 0), 'send');
  const [bytes] = await next<[Buffer]>(unix, 'message');
  expect([bytes.toString(), rests]).toEqual(['x', [FIRST_REST_MS]]);
  expect(watchedMask(loop, unix.fd)).toBe(EPOLLIN | EPOLLOUT | ALWAYS);
});
