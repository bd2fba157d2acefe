/** TCP_NOTSENT_LOWAT of tcp(7): how much that cannot be sent yet the kernel takes, and when it says that it has room. */
import { Epoll } from '../../../src/epoll/epoll';
import { serveHttp } from '../../../src/http/server/serve-http';
import { setSocketOption } from '../../../src/net/socket/options';
import * as c from '../../../src/sys/constants';
import { errno } from '../../../src/sys/errno';
import { ioctl } from '../../../src/sys/ioctl';
import { getsockopt, recv, send, setsockopt } from '../../../src/sys/socket';
import { client } from '../../support/client';
import { destroyLater, serve } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { tcpPair } from '../../support/fds';
import { next, until } from '../../support/until';

expectNoFdLeaks();

/** SIOCOUTQNSD of linux/sockios.h: what of the queue was not sent. */
const SIOCOUTQNSD = 0x894b;
const LOW = 16 * 1024;
const CHUNK = Buffer.alloc(4 * 1024);
/** The kernel asks only when it begins another segment, which may hold so much. */
const SEGMENT = 64 * 1024;

function unsent(fd: number): number {
  const count = new Int32Array(1);
  expect(ioctl(fd, SIOCOUTQNSD, count)).toBe(0);
  return count[0] as number;
}

function lowWater(fd: number): number {
  const value = new Int32Array(1);
  expect(getsockopt(fd, c.IPPROTO_TCP, c.TCP_NOTSENT_LOWAT, value)).toBe(4);
  return value[0] as number;
}

/** Send until the kernel takes no more. */
function fill(fd: number): void {
  for (;;) {
    const count = send(fd, CHUNK, CHUNK.length, c.MSG_NOSIGNAL);
    if (count === -errno.EAGAIN) return;
    expect(count).toBeGreaterThan(0);
  }
}

/** A sender whose peer has room for little, and reads nothing yet. */
function pairWith(low: number | null): { sender: number; reader: number } {
  const { connected: sender, accepted: reader } = tcpPair();
  setSocketOption(reader, 'receiveBufferBytes', 4_096);
  setSocketOption(sender, 'sendBufferBytes', 512 * 1024);
  if (low === null) return { sender, reader };
  expect(setsockopt(sender, c.IPPROTO_TCP, c.TCP_NOTSENT_LOWAT, Int32Array.of(low))).toBe(0);
  expect(lowWater(sender)).toBe(low);
  return { sender, reader };
}

test('the kernel takes no more than that beyond what it has sent', () => {
  const [limited, free] = [pairWith(LOW), pairWith(null)];
  for (const { sender } of [limited, free]) fill(sender);
  expect(unsent(limited.sender)).toBeLessThan(LOW + SEGMENT);
  expect(unsent(free.sender)).toBeGreaterThan(2 * (LOW + SEGMENT));
});

test('there is room again, for epoll too, once less than that waits', async () => {
  const { sender, reader } = pairWith(LOW);
  fill(sender);
  using epoll = new Epoll();
  epoll.add(sender, c.EPOLLOUT);
  expect(epoll.wait({ timeoutMs: 0 })).toHaveLength(0);
  const buffer = Buffer.alloc(64 * 1024);
  await until(() => {
    recv(reader, buffer, buffer.length, 0);
    return epoll.wait({ timeoutMs: 0 }).length === 1;
  });
  expect(unsent(sender)).toBeLessThan(LOW);
  // Though it still holds bytes that were not sent, or not read.
  expect(send(sender, CHUNK, CHUNK.length, c.MSG_NOSIGNAL)).toBeGreaterThan(0);
});

test('a connection of serveHttp has it once its client asks ahead, and not before', async () => {
  const server = serve();
  const http = serveHttp(server);
  destroyLater({ destroy: () => http.closeAllConnections() });
  const peer = await client(server.port);
  const get = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  peer.write(get);
  const [, response] = await next<[unknown, { end(text: string): void }]>(http, 'request');
  const [connection] = server.connections;
  const fd = connection?.fd as number;
  const before = lowWater(fd);
  peer.write(get.repeat(3));
  await until(() => lowWater(fd) !== before);
  expect(lowWater(fd)).toBe(LOW);
  response.end('');
});
