import { EventLoop } from '../../../src/loop/event-loop';
import { connect } from '../../../src/net/client/connect';
import type { ConnectOptions } from '../../../src/net/client/options';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import * as c from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { close } from '../../../src/sys/io';
import { accept4, bind, listen, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater } from '../../support/fds';
import { socketCount } from '../../support/open-fds';
import { until } from '../../support/until';

expectNoFdLeaks();

const LONG_MS = 60_000;
const path = `\0epoll-ffi-full-backlog-${process.pid}`;
const address = encodeUnixAddress({ path });
const flags = c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;

let listener: number;
let filler: TcpConnection;
let before: number;

/** A listener whose backlog has room for one, and has one. */
beforeEach(async () => {
  listener = unwrap(socket(c.AF_UNIX, c.SOCK_STREAM | flags, 0), 'socket');
  unwrap(bind(listener, address), 'bind');
  unwrap(listen(listener, 0), 'listen');
  filler = await connect({ path });
  before = socketCount();
});
afterEach(async () => {
  filler.destroy();
  if (listener >= 0) close(listener);
});

function closeListener(): void {
  close(listener);
  listener = -1;
}

const reasonOf = (options: Partial<ConnectOptions> = {}): Promise<unknown> =>
  connect({ path, ...options } as ConnectOptions).then(
    () => 'connected',
    (error) => error,
  );

/** The attempt has its socket, and waits. */
const waiting = (): Promise<void> => until(() => socketCount() === before + 1);

test('without connectTimeoutMs it is EAGAIN at once', async () => {
  expect(await reasonOf()).toMatchObject({ code: 'EAGAIN', syscall: 'connect', address: path });
  expect(socketCount()).toBe(before);
});

test('with connectTimeoutMs the connection is made when there is room', async () => {
  const attempt = connect({ path, connectTimeoutMs: LONG_MS });
  await waiting();
  closeLater(unwrap(accept4(listener, flags), 'accept4'));
  using connection = await attempt;
  const peer = closeLater(unwrap(accept4(listener, flags), 'accept4'));
  expect([connection.closed, peer >= 0]).toEqual([false, true]);
});

test('the time is over: ETIMEDOUT, with the option', async () => {
  expect(await reasonOf({ connectTimeoutMs: 30 })).toMatchObject({
    code: 'ETIMEDOUT',
    syscall: 'connect',
    address: path,
    message: expect.stringMatching(/the backlog of @.* was full for 30 ms \(connectTimeoutMs\)$/),
  });
  expect(socketCount()).toBe(before);
});

test('the server goes away meanwhile: ECONNREFUSED', async () => {
  const reason = reasonOf({ connectTimeoutMs: LONG_MS });
  await waiting();
  closeListener();
  expect(await reason).toMatchObject({ code: 'ECONNREFUSED', address: path });
});

test('an abort meanwhile', async () => {
  const controller = new AbortController();
  const reason = reasonOf({ connectTimeoutMs: LONG_MS, signal: controller.signal });
  await waiting();
  controller.abort(new Error('changed my mind'));
  expect(await reason).toBe(controller.signal.reason);
  expect(socketCount()).toBe(before);
});

test('the loop is closed meanwhile', async () => {
  const loop = new EventLoop();
  const reason = reasonOf({ connectTimeoutMs: LONG_MS, loop });
  await until(() => loop.timers.size === 1);
  loop.close();
  expect(await reason).toBeInstanceOf(Error);
  expect(loop.timers.size).toBe(0);
  expect(socketCount()).toBe(before);
});
