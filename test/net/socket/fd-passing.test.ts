import {
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { peerCredentials, receiveFds, sendFds } from '../../../src/net/socket/fd-passing';
import { setSocketOption } from '../../../src/net/socket/options';
import * as c from '../../../src/sys/constants';
import { errno, SystemError, unwrap } from '../../../src/sys/errno';
import { close, fcntl, write } from '../../../src/sys/io';
import { setsockopt, socket, socketpair } from '../../../src/sys/socket';
import { Child, ROOT } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put, take } from '../../support/fds';
import { testWith } from '../../support/requires';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next } from '../../support/until';

expectNoFdLeaks();

function packetPair(type: number): [number, number] {
  const fds = new Int32Array(2);
  unwrap(socketpair(c.AF_UNIX, type | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0, fds), 'socketpair');
  return [closeLater(fds[0] as number), closeLater(fds[1] as number)];
}

interface Received {
  fds: number[];
  text: string;
}

function received(fd: number, maxFds?: number): Received | null {
  const message = receiveFds(fd, maxFds === undefined ? {} : { maxFds });
  message?.fds.forEach(closeLater);
  return message && { fds: message.fds, text: message.bytes.toString() };
}

function hasPidfds(): boolean {
  const fd = socket(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_CLOEXEC, 0);
  const outcome = setsockopt(fd, c.SOL_SOCKET, c.SO_PASSPIDFD, Int32Array.of(1));
  close(fd);
  return outcome === 0;
}

const openCount = (): number => readdirSync('/proc/self/fd').length;

test('a file that is open here is open there, at the same place in it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
  try {
    writeFileSync(join(folder, 'file'), 'abcdef');
    const file = closeLater(openSync(join(folder, 'file'), 'r'));
    readSync(file, Buffer.alloc(2));
    const [here, there] = pair();
    expect(sendFds(here, [file], Buffer.from('a file'))).toBe(6);
    const message = received(there);
    expect(message?.text).toBe('a file');
    const [twin] = (message as Received).fds as [number];
    expect(twin).not.toBe(file);
    expect(fstatSync(twin).ino).toBe(fstatSync(file).ino);
    closeNow(file);
    const rest = Buffer.alloc(6);
    expect(rest.toString('utf8', 0, readSync(twin, rest))).toBe('cdef');
    expect(fcntl(twin, c.F_GETFD) & c.FD_CLOEXEC).toBe(c.FD_CLOEXEC);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('two sockets that were passed on are connected still', () => {
  const [a, b] = pair();
  const [here, there] = packetPair(c.SOCK_SEQPACKET);
  sendFds(here, [a, b]);
  closeNow(a);
  closeNow(b);
  const [left, right] = (received(there) as Received).fds as [number, number];
  put(left, 'still there');
  expect(take(right)).toBe('still there');
});

test('as many as the kernel takes, and one more is refused before it is asked', () => {
  const [here, there] = pair();
  const fd = counter();
  sendFds(here, new Array(253).fill(fd));
  expect(received(there)?.fds).toHaveLength(253);
  expect(() => sendFds(here, new Array(254).fill(fd))).toThrow(RangeError);
  expect(() => sendFds(here, new Array(254).fill(fd))).toThrow(/"fds.length".*<= 253/);
  expect(() => sendFds(here, [])).toThrow(RangeError);
  expect(() => sendFds(here, [fd], Buffer.alloc(0))).toThrow(/"bytes.byteLength"/);
  expect(() => sendFds(here, [fd], Buffer.alloc(65_537))).toThrow(/"bytes.byteLength"/);
  expect(() => sendFds(here, [fd, Number.NaN])).toThrow(/"fds\[1\]"/);
  expect(() => sendFds(here, fd as never)).toThrow(TypeError);
  expect(received(there)).toBeNull();
});

test('what is not open cannot be sent, and nothing is', () => {
  const [here, there] = pair();
  expect(() => sendFds(here, [counter(), 19_999])).toThrow(
    expect.objectContaining({ code: 'EBADF', syscall: 'sendmsg', fd: here }),
  );
  expect(received(there)).toBeNull();
});

test('nothing yet is null, the end is a message without bytes', () => {
  const [here, there] = pair();
  expect(receiveFds(there)).toBeNull();
  closeNow(here);
  expect(received(there)).toEqual({ fds: [], text: '' });
  expect(() => sendFds(there, [counter()])).toThrow(SystemError);
  expect(() => receiveFds(counter())).toThrow(expect.objectContaining({ code: 'ENOTSOCK' }));
});

test('a full socket takes nothing, and says 0', () => {
  const [here, there] = pair();
  const fd = counter();
  const chunk = Buffer.alloc(65_536);
  while (write(here, chunk) > 0);
  expect(sendFds(here, [fd])).toBe(0);
  while (take(there) !== '');
  expect(sendFds(here, [fd])).toBe(1);
  expect(received(there)?.fds).toHaveLength(1);
});

test('the fds of two messages on a stream come one after the other', () => {
  const [here, there] = pair();
  put(here, 'before ');
  sendFds(here, [counter()], Buffer.from('first '));
  sendFds(here, [counter(), counter()], Buffer.from('second '));
  put(here, 'after');
  const messages = [received(there), received(there), received(there)];
  expect(messages.map((message) => message?.fds.length)).toEqual([1, 2, 0]);
  expect(messages.map((message) => message?.text).join('')).toBe('before first second after');
});

test('more than are accepted are closed', () => {
  const [here, there] = pair();
  const before = openCount();
  sendFds(here, [counter(), counter(), counter()]);
  const inFlight = openCount();
  expect(() => received(there, 2)).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_FDS' }));
  expect(openCount()).toBe(inFlight);
  expect(inFlight).toBe(before + 3);
  expect(() => receiveFds(there, { maxFds: 254 })).toThrow(/option "maxFds" of receiveFds/);
});

test('a datagram that is too long is an error, and its fds are closed', () => {
  const [here, there] = packetPair(c.SOCK_DGRAM);
  setSocketOption(here, 'sendBufferBytes', 200_000);
  put(here, Buffer.alloc(65_537));
  const before = openCount();
  expect(() => receiveFds(there)).toThrow(
    expect.objectContaining({ code: 'ERR_MESSAGE_TRUNCATED' }),
  );
  expect(openCount()).toBe(before);
});

test('when the process has no fds left, those that came are closed', async () => {
  const child = new Child('sh', [
    '-c',
    `ulimit -n 48; exec "${process.execPath}" ${RUNS_TYPESCRIPT.join(' ')} ${ROOT}/test/net/programs/scarce-fds.ts`,
  ]);
  expect(await child.exit()).toEqual({ code: 0, signal: null });
  expect(JSON.parse(child.stdout)).toEqual({
    code: 'ERR_FDS_TRUNCATED',
    isFree: true,
    isFull: true,
    second: 3,
    more: 3,
  });
});

test('the peer of a unix socket is known, others are not', () => {
  const [here] = pair();
  const { pid, getuid, getgid } = process;
  const me = { pid, uid: getuid?.(), gid: getgid?.() };
  expect(peerCredentials(here)).toEqual(me);
  expect(peerCredentials(closeLater(socket(c.AF_UNIX, c.SOCK_STREAM, 0)))).toBeNull();
  expect(peerCredentials(closeLater(socket(c.AF_INET, c.SOCK_STREAM, 0)))).toBeNull();
  expect(() => peerCredentials(counter())).toThrow(
    expect.objectContaining({ code: 'ENOTSOCK', errno: -errno.ENOTSOCK }),
  );
});

test('with passCredentials each message says who sent it', () => {
  const [here, there] = packetPair(c.SOCK_DGRAM);
  setSocketOption(there, 'passCredentials', true);
  sendFds(here, [counter()]);
  const message = receiveFds(there);
  message?.fds.forEach(closeLater);
  expect(message?.credentials?.pid).toBe(process.pid);
  const [one, other] = pair();
  put(one, 'x');
  expect(receiveFds(other)?.credentials).toBeNull();
});

testWith(hasPidfds() ? 'here' : null, 'Linux 6.5')(
  'an fd of the sender, which comes unasked with SO_PASSPIDFD, is closed',
  () => {
    const [here, there] = pair();
    expect(setsockopt(there, c.SOL_SOCKET, c.SO_PASSPIDFD, Int32Array.of(1))).toBe(0);
    sendFds(here, [counter()]);
    const before = openCount();
    expect(received(there)?.fds).toHaveLength(1);
    // The one that was in flight is open twice now, and nothing else is.
    expect(openCount()).toBe(before + 1);
  },
);

test('from the main thread to a worker and back', async () => {
  const [here, there] = packetPair(c.SOCK_DGRAM);
  const fd = counter(5);
  sendFds(here, [fd], Buffer.from('take this'));
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     const { peerCredentials, receiveFds, sendFds } = require('${ROOT}/src/net/socket/fd-passing');
     const { close } = require('${ROOT}/src/sys/io');
     const { fds, bytes } = receiveFds(workerData);
     sendFds(workerData, fds, bytes);
     close(fds[0]);
     parentPort.postMessage([bytes.toString(), peerCredentials(workerData).pid]);`,
    { eval: true, workerData: there, execArgv: [...RUNS_TYPESCRIPT] },
  );
  expect(await next(worker, 'message')).toEqual([['take this', process.pid]]);
  const [back] = (received(here) as Received).fds as [number];
  expect(take(back)).toHaveLength(8);
  await worker.terminate();
});
