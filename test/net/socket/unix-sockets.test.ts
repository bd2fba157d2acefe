/** Stream and seqpacket sockets of unix(7) with the raw calls and `watch`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectNode } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as sys from '../../../src/sys';
import { watch } from '../../../src/watch/fd-watcher';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow, put, take } from '../../support/fds';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const c = sys.constants;
const FLAGS = c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;

function listenAt(path: string, type: number): number {
  const fd = closeLater(sys.unwrap(sys.socket(c.AF_UNIX, type | FLAGS, 0), 'socket'));
  sys.unwrap(sys.bind(fd, sys.encodeUnixAddress({ path })), 'bind', { address: path });
  sys.unwrap(sys.listen(fd, 16), 'listen');
  return fd;
}

test('seqpacket keeps the borders of records, and reports the end', async () => {
  const fds = new Int32Array(2);
  sys.unwrap(sys.socketpair(c.AF_UNIX, c.SOCK_SEQPACKET | FLAGS, 0, fds), 'socketpair');
  const [here, there] = fds as unknown as [number, number];
  closeLater(there);
  const records: string[] = [];
  const watcher = watch(there, { readable: true, peerClosed: true, edge: true });
  watcher.on('readable', () => {
    for (let text = take(there); text !== ''; text = take(there)) records.push(text);
  });
  const gone = next(watcher, 'hangup');
  for (const text of ['one', 'two two', 'three']) put(here, text);
  await until(() => records.length === 3);
  expect(records).toEqual(['one', 'two two', 'three']);
  put(here, 'last');
  sys.close(here);
  await gone;
  expect(records.at(-1)).toBe('last');
  watcher.close();
});

/** Accept the connection that comes, and tell what was accepted and where. */
async function accepted(listener: number): Promise<{ fd: number; address: unknown }> {
  const watcher = watch(listener);
  await next(watcher, 'readable');
  watcher.close();
  const fd = closeLater(sys.accept4(listener, FLAGS));
  const address = new Uint8Array(sys.ADDRESS_BYTES);
  const length = sys.getsockname(fd, address);
  return { fd, address: sys.decodeUnixAddress(address.subarray(0, length)) };
}

test('a stream listener at a path accepts a client of node:net', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
  const path = join(folder, 'socket');
  const listener = listenAt(path, c.SOCK_STREAM);
  const peer = connectNode({ path });
  const { fd, address } = await accepted(listener);
  expect(address).toEqual({ family: 'unix', path });
  put(fd, 'hello');
  expect(String(await next(peer, 'data'))).toBe('hello');
  expect(() => listenAt(path, c.SOCK_STREAM)).toThrow(
    expect.objectContaining({ code: 'EADDRINUSE', address: path }),
  );
  peer.destroy();
  rmSync(folder, { recursive: true });
});

test('a stream listener at an abstract name, which is gone with it', async () => {
  const path = `\0epoll-ffi-listener-${process.pid}`;
  const listener = listenAt(path, c.SOCK_STREAM);
  const client = (): number => closeLater(sys.socket(c.AF_UNIX, c.SOCK_STREAM | FLAGS, 0));
  const peer = client();
  expect(sys.connect(peer, sys.encodeUnixAddress({ path }))).toBe(0);
  const { fd, address } = await accepted(listener);
  expect(address).toEqual({ family: 'unix', path });
  put(fd, 'hello');
  expect(take(peer)).toBe('hello');
  expect(() => listenAt(path, c.SOCK_STREAM)).toThrow(
    expect.objectContaining({ code: 'EADDRINUSE' }),
  );
  closeNow(listener);
  expect(sys.connect(client(), sys.encodeUnixAddress({ path }))).toBe(-sys.errno.ECONNREFUSED);
});

test('a seqpacket listener, and a client that is connected at once', async () => {
  const path = `\0epoll-ffi-packets-${process.pid}`;
  const listener = listenAt(path, c.SOCK_SEQPACKET);
  const client = closeLater(sys.socket(c.AF_UNIX, c.SOCK_SEQPACKET | FLAGS, 0));
  expect(sys.connect(client, sys.encodeUnixAddress({ path }))).toBe(0);
  put(client, 'record');
  const { fd } = await accepted(listener);
  expect(take(fd)).toBe('record');
  expect(sys.accept4(listener, FLAGS)).toBe(-sys.errno.EAGAIN);
});
