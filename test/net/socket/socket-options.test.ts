import { Worker } from 'node:worker_threads';
import {
  getSocketOption,
  type SocketOptions,
  setSocketOption,
} from '../../../src/net/socket/options';
import { encodeAddress } from '../../../src/sys/address';
import * as c from '../../../src/sys/constants';
import { errno, unwrap } from '../../../src/sys/errno';
import { connect, listen, socket } from '../../../src/sys/socket';
import { ROOT } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, counter } from '../../support/fds';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const open = (family: number, type: number): number =>
  closeLater(unwrap(socket(family, type | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0), 'socket'));
const tcp = (): number => open(c.AF_INET, c.SOCK_STREAM);
const tcp6 = (): number => open(c.AF_INET6, c.SOCK_STREAM);
const udp = (): number => open(c.AF_INET, c.SOCK_DGRAM);
const unix = (): number => open(c.AF_UNIX, c.SOCK_DGRAM);

const cases: { [N in keyof SocketOptions]?: [() => number, ...SocketOptions[N][]] } = {
  reuseAddress: [tcp, true, false],
  reusePort: [tcp, true, false],
  keepAlive: [tcp, true, false],
  keepAliveIdleSeconds: [tcp, 30, 7],
  keepAliveIntervalSeconds: [tcp, 5, 9],
  keepAliveCount: [tcp, 3, 4],
  noDelay: [tcp, true, false],
  cork: [tcp, true, false],
  quickAck: [tcp, false, true],
  userTimeoutMs: [tcp, 12_345, 0],
  linger: [tcp, { enabled: true, seconds: 7 }, { enabled: false, seconds: 7 }],
  broadcast: [udp, true, false],
  ipv6Only: [tcp6, true, false],
  ttl: [udp, 7, 255],
  hopLimit: [tcp6, 7, 255],
  multicastTtl: [udp, 7, 1],
  multicastLoop: [udp, false, true],
  multicastHopLimit: [() => open(c.AF_INET6, c.SOCK_DGRAM), 7, 1],
  multicastLoopIpv6: [() => open(c.AF_INET6, c.SOCK_DGRAM), false, true],
  incomingCpu: [tcp, 0],
  passCredentials: [unix, true, false],
};

test.each(Object.entries(cases))('%s is what it was set to', (name, [make, ...values]) => {
  const fd = make();
  for (const value of values) {
    setSocketOption(fd, name as keyof SocketOptions, value);
    expect(getSocketOption(fd, name as keyof SocketOptions)).toEqual(value);
  }
});

test('the kernel doubles the size of a buffer', () => {
  const fd = tcp();
  setSocketOption(fd, 'receiveBufferBytes', 65_536);
  expect(getSocketOption(fd, 'receiveBufferBytes')).toBe(131_072);
  setSocketOption(fd, 'sendBufferBytes', 32_768);
  expect(getSocketOption(fd, 'sendBufferBytes')).toBe(65_536);
});

test('seconds of deferred accepts are rounded up to retransmissions', () => {
  const fd = tcp();
  expect(getSocketOption(fd, 'deferAcceptSeconds')).toBe(0);
  setSocketOption(fd, 'deferAcceptSeconds', 2);
  expect(getSocketOption(fd, 'deferAcceptSeconds')).toBeGreaterThanOrEqual(2);
});

test('busy polling can be asked for', () => {
  const fd = udp();
  setSocketOption(fd, 'busyPollUs', 0);
  expect(getSocketOption(fd, 'busyPollUs')).toBe(0);
});

test('listening and error can be read, and not set', () => {
  const listener = tcp();
  expect(getSocketOption(listener, 'listening')).toBe(false);
  unwrap(listen(listener, 1), 'listen');
  expect(getSocketOption(listener, 'listening')).toBe(true);
  expect(() => setSocketOption(listener, 'listening', true)).toThrow(RangeError);
  expect(() => setSocketOption(listener, 'error', 0)).toThrow(/"name".*can be set/);
});

test('a pending error is returned once', async () => {
  const fd = tcp();
  // Port 1 of the loopback: nobody listens there, which a socket learns at once.
  expect(connect(fd, encodeAddress({ address: '127.0.0.1', port: 1 }))).toBeLessThan(0);
  await until(() => getSocketOption(fd, 'error') === errno.ECONNREFUSED);
  expect(getSocketOption(fd, 'error')).toBe(0);
});

test.each<[keyof SocketOptions, unknown[]]>([
  ['noDelay', [1, 'true', null, undefined]],
  ['ttl', [0, 256, 1.5, Number.NaN, '7', null]],
  ['receiveBufferBytes', [-1, 2 ** 31, true]],
  ['linger', [true, null, { enabled: 1, seconds: 1 }, { enabled: true, seconds: -1 }]],
])('%s refuses what it cannot be', (name, values) => {
  const fd = tcp();
  const before = getSocketOption(fd, name);
  for (const value of values) {
    expect(() => setSocketOption(fd, name, value as never)).toThrow(`"${name}`);
  }
  expect(getSocketOption(fd, name)).toEqual(before);
});

test('an unknown name, and an option of another kind of socket, are named', () => {
  for (const name of ['tcpNoDelay', 'toString', '__proto__']) {
    expect(() => getSocketOption(tcp(), name as never)).toThrow(/"name".*one of reuseAddress/);
  }
  expect(() => getSocketOption(tcp(), 3 as never)).toThrow(TypeError);
  expect(() => setSocketOption(unix(), 'noDelay', true)).toThrow(
    expect.objectContaining({ syscall: 'setsockopt', message: expect.stringContaining('noDelay') }),
  );
  expect(() => getSocketOption(counter(), 'keepAlive')).toThrow(
    expect.objectContaining({ code: 'ENOTSOCK', syscall: 'getsockopt' }),
  );
});

test('in a worker thread too', async () => {
  const fd = tcp();
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     const { getSocketOption, setSocketOption } = require('${ROOT}/src/net/socket/options');
     setSocketOption(workerData, 'linger', { enabled: true, seconds: 3 });
     parentPort.postMessage(getSocketOption(workerData, 'linger'));`,
    { eval: true, workerData: fd, execArgv: [...RUNS_TYPESCRIPT] },
  );
  const exit = next(worker, 'exit');
  expect(await next(worker, 'message')).toEqual([{ enabled: true, seconds: 3 }]);
  expect(getSocketOption(fd, 'linger')).toEqual({ enabled: true, seconds: 3 });
  await exit;
});
