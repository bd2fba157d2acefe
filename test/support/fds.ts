/** Real fds for the tests, closed when the test is over. */
import { closeSync } from 'node:fs';
import { ADDRESS_BYTES, encodeAddress } from '../../src/sys/address';
import * as constants from '../../src/sys/constants';
import { unwrap } from '../../src/sys/errno';
import { dup3 } from '../../src/sys/fds';
import { close, eventfd, read, setNonBlocking, write } from '../../src/sys/io';
import {
  accept4,
  bind,
  connect,
  getsockname,
  listen,
  socket,
  socketpair,
} from '../../src/sys/socket';

const { AF_INET, AF_UNIX, EFD_CLOEXEC, EFD_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } =
  constants;

const toClose = new Set<number>();

afterEach(() => {
  for (const fd of toClose) close(fd);
  toClose.clear();
});

/** Close `fd` after the test. */
export function closeLater(fd: number): number {
  toClose.add(fd);
  return fd;
}

/** Close `fd` now. */
export function closeNow(fd: number): void {
  toClose.delete(fd);
  closeSync(fd);
}

/** A connected pair of non-blocking unix stream sockets. */
export function pair(): [number, number] {
  const fds = new Int32Array(2);
  unwrap(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 'socketpair');
  return [closeLater(fds[0] as number), closeLater(fds[1] as number)];
}

/** A TCP connection of which both fds are ours. */
export function tcpPair(): { connected: number; accepted: number } {
  const listener = unwrap(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket');
  unwrap(bind(listener, encodeAddress({ address: '127.0.0.1', port: 0 })), 'bind');
  unwrap(listen(listener, 1), 'listen');
  const bytes = new Uint8Array(ADDRESS_BYTES);
  const address = bytes.subarray(0, getsockname(listener, bytes));
  const connected = closeLater(unwrap(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket'));
  unwrap(connect(connected, address), 'connect');
  const accepted = closeLater(unwrap(accept4(listener, SOCK_NONBLOCK | SOCK_CLOEXEC), 'accept4'));
  setNonBlocking(connected);
  close(listener);
  return { connected, accepted };
}

/** An eventfd; readable if `initial` is not 0. */
export function counter(initial = 0): number {
  return closeLater(unwrap(eventfd(initial, EFD_NONBLOCK | EFD_CLOEXEC), 'eventfd'));
}

/** Write text to an fd. */
export function put(fd: number, text: string | Buffer): void {
  const bytes = Buffer.from(text);
  expect(write(fd, bytes)).toBe(bytes.length);
}

/** Read what there is. */
export function take(fd: number): string {
  const buffer = Buffer.alloc(65_536);
  return buffer.toString('utf8', 0, Math.max(0, read(fd, buffer)));
}

/**
 * Close what `fd` is and make a counter of it, in one step: no other thread can take the number
 * between. Returns `fd`.
 */
export function replace(fd: number, initial = 0): number {
  const other = counter(initial);
  expect(dup3(other, fd, constants.O_CLOEXEC)).toBe(fd);
  closeNow(other);
  return closeLater(fd);
}
