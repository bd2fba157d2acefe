/** Datagrams there and back, unix sockets, groups, and the life of a socket. */
import { createSocket } from 'node:dgram';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EventLoop } from '../../../src/loop/event-loop';
import type { DatagramSocket } from '../../../src/net/datagram/socket';
import { setSocketOption } from '../../../src/net/socket/options';
import { encodeAddress, type SocketAddress } from '../../../src/sys/address';
import * as c from '../../../src/sys/constants';
import { fcntl } from '../../../src/sys/io';
import { recv, shutdown } from '../../../src/sys/socket';
import { ROOT } from '../../support/child';
import { clog, connectedFd } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { watchedMask } from '../../support/fdinfo';
import { socketCount } from '../../support/open-fds';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';
import { abstract, collect, folder, here, LOCAL, open } from './rig';

expectNoFdLeaks();

describe('messages', () => {
  test.each(['127.0.0.1', '::1'])('there and back over %s, with the source', async (address) => {
    const server = open({ bind: { address, port: 0 } });
    const client = open({ bind: { address, port: 0 } });
    server.on('message', (bytes, info) => {
      expect(info.source).toEqual(client.address);
      expect(info.truncated).toBe(false);
      expect(server.send(`echo ${bytes}`, info)).toBe(true);
    });
    const answers = collect(client);
    expect(client.send('hello', here(server))).toBe(true);
    expect(client.send(Buffer.from('bytes'), encodeAddress(here(server)))).toBe(true);
    await until(() => answers.length === 2);
    expect(answers).toEqual(['echo hello', 'echo bytes']);
  });

  test('to and from a socket of node:dgram', async () => {
    const server = open();
    server.on('message', (bytes, { source }) => {
      server.send(Buffer.from(bytes).reverse(), source as SocketAddress);
    });
    const peer = createSocket('udp4');
    peer.send('abc', here(server).port, '127.0.0.1');
    const [answer, { port }] = await next<[Buffer, { port: number }]>(peer, 'message');
    expect([answer.toString(), port]).toEqual(['cba', here(server).port]);
    peer.close();
  });

  test('an empty one is one, and a long one is whole', async () => {
    const [one, other] = [open(), open()];
    const lengths: number[] = [];
    other.on('message', (bytes) => lengths.push(bytes.length));
    for (const length of [0, 1, 1472, 65_507]) one.send(Buffer.alloc(length), here(other));
    await until(() => lengths.length === 4);
    expect(lengths).toEqual([0, 1, 1472, 65_507]);
    expect(() => one.send(Buffer.alloc(65_508), here(other))).toThrow(
      expect.objectContaining({ code: 'EMSGSIZE', syscall: 'sendto' }),
    );
  });

  test('one that is too long is cut and flagged', async () => {
    const one = open();
    const other = open({ bind: LOCAL, maxMessageBytes: 4 });
    const got: [string, boolean][] = [];
    other.on('message', (bytes, { truncated }) => got.push([bytes.toString(), truncated]));
    one.send('12345', here(other));
    one.send('1234', here(other));
    await until(() => got.length === 2);
    expect(got).toEqual([
      ['1234', true],
      ['1234', false],
    ]);
  });

  test('more than one call takes come with the next ones, in order', async () => {
    const one = open();
    const other = open({ bind: LOCAL, messagesPerCall: 4 });
    const texts = collect(other);
    const expected = Array.from({ length: 30 }, (_, index) => String(index));
    for (const text of expected) one.send(text, here(other));
    await until(() => texts.length === 30);
    expect(texts).toEqual(expected);
  });

  test('the view is of the same memory each time: what is kept must be copied', async () => {
    const [one, other] = [open(), open()];
    const kept: Buffer[] = [];
    other.on('message', (bytes) => kept.push(bytes));
    one.send('first', here(other));
    await until(() => kept.length === 1);
    one.send('later', here(other));
    await until(() => kept.length === 2);
    expect(kept.map(String)).toEqual(['later', 'later']);
  });
});

test('a message that is queued on a connection is copied: the next one takes its place', async () => {
  const { connection, fd } = await connectedFd();
  const [one, other] = [open(), open()];
  other.on('message', (bytes) => connection.write(bytes));
  const clogged = clog(connection);
  const texts = ['first', 'other', 'third'];
  for (const text of texts) {
    const queued = connection.queuedBytes;
    one.send(text, here(other));
    await until(() => connection.queuedBytes > queued);
  }
  connection.end();
  const buffer = Buffer.allocUnsafe(1_000_000);
  let [received, count, tail] = [0, 1, ''];
  await until(() => {
    count = recv(fd, buffer, buffer.length, c.MSG_DONTWAIT);
    if (count > 0)
      tail = (tail + buffer.toString('latin1', Math.max(0, count - 15), count)).slice(-15);
    received += Math.max(count, 0);
    return count === 0;
  });
  expect([received, tail]).toEqual([clogged + 15, texts.join('')]);
});

describe('many at once', () => {
  test('all are sent, in batches, to many', async () => {
    const one = open({ bind: LOCAL, messagesPerCall: 8 });
    const others = [open(), open()];
    const texts = others.map(collect);
    const datagrams = Array.from({ length: 50 }, (_, index) => ({
      bytes: Buffer.from(String(index)),
      to: here(others[index % 2] as DatagramSocket),
    }));
    expect(one.sendMany(datagrams)).toBe(50);
    await until(() => texts.every((some) => some.length === 25));
    expect(texts[1]).toEqual(Array.from({ length: 25 }, (_, index) => String(2 * index + 1)));
    expect(one.sendMany([])).toBe(0);
    const tooLong = [{ bytes: Buffer.alloc(65_537), to: LOCAL }];
    expect(() => one.sendMany(tooLong)).toThrow(/"bytes.byteLength"/);
    expect(() => one.sendMany([{ bytes: Buffer.alloc(1) }])).toThrow(
      expect.objectContaining({ code: 'EDESTADDRREQ' }),
    );
  });

  test('what the kernel has no room for is sent after drain', async () => {
    const path = abstract();
    const other = open({ bind: { path } });
    const one = open({ connect: { path }, messagesPerCall: 64 });
    const datagrams = Array.from({ length: 3_000 }, (_, index) => ({
      bytes: Buffer.from(String(index)),
    }));
    let sent = one.sendMany(datagrams);
    expect(sent).toBeLessThan(3_000);
    let drains = 0;
    one.on('drain', () => {
      drains += 1;
      sent += one.sendMany(datagrams.slice(sent));
    });
    const texts = collect(other);
    await until(() => texts.length === 3_000);
    expect(texts).toEqual(datagrams.map(({ bytes }) => bytes.toString()));
    expect(drains).toBeGreaterThan(0);
  });
});

test('many, of which one cannot be sent: those before it are, then drain, then the error', async () => {
  const [one, other] = [open(), open()];
  const texts = collect(other);
  const to = here(other);
  const all = [Buffer.from('a'), Buffer.alloc(65_520), Buffer.from('b')];
  const datagrams = all.map((bytes) => ({ bytes, to }));
  const drained = next(one, 'drain');
  expect(one.sendMany(datagrams)).toBe(1);
  await drained;
  expect(() => one.sendMany(datagrams.slice(1))).toThrow(
    expect.objectContaining({ code: 'EMSGSIZE', syscall: 'sendmmsg' }),
  );
  expect(one.sendMany(datagrams.slice(2))).toBe(1);
  await until(() => texts.length === 2);
  expect(texts).toEqual(['a', 'b']);
});

describe('unix sockets', () => {
  test('a path is made and removed with the socket', async () => {
    const path = join(folder(), 'socket');
    const server = open({ bind: { path } });
    expect(server.address).toEqual({ family: 'unix', path });
    expect(existsSync(path)).toBe(true);
    const client = open({ bind: { path: `${path}-client` } });
    server.on('message', (_, info) => {
      expect(info.source).toEqual({ family: 'unix', path: `${path}-client` });
      server.send('pong', info);
    });
    const answers = collect(client);
    client.send('ping', { path });
    await until(() => answers.length === 1);
    server.close();
    client.close();
    expect(existsSync(path) || existsSync(`${path}-client`)).toBe(false);
  });

  test('a file that somebody else has put there stays', () => {
    const path = join(folder(), 'socket');
    const server = open({ bind: { path } });
    renameSync(path, `${path}-old`);
    writeFileSync(path, 'theirs');
    server.close();
    expect(existsSync(path)).toBe(true);
  });

  test('a failed connect leaves neither file nor fd', () => {
    const path = join(folder(), 'socket');
    // Sockets alone: a waiter thread of an earlier test may be about to close its own fds.
    const before = socketCount();
    expect(() => open({ bind: { path }, connect: { path: '/no/such' } })).toThrow('connect ENOENT');
    expect(existsSync(path)).toBe(false);
    expect(socketCount()).toBe(before);
  });

  test('a sender without a name has no source', async () => {
    const path = abstract();
    const server = open({ bind: { path } });
    const sources: unknown[] = [];
    server.on('message', (_, { source, sourceBytes }) =>
      sources.push([source, sourceBytes.length]),
    );
    open({ connect: { path } }).send('x');
    await until(() => sources.length === 1);
    expect(sources).toEqual([[null, 0]]);
  });
});

describe('multicast', () => {
  test('what is sent to a group comes to those who joined', async () => {
    const [one, other] = [open(), open({ bind: { address: '0.0.0.0', port: 0 } })];
    const texts = collect(other);
    other.joinGroup('239.255.77.7', '127.0.0.1');
    const to = { address: '239.255.77.7', port: here(other).port };
    one.setMulticastInterface('127.0.0.1');
    setSocketOption(one.fd, 'multicastLoop', true);
    one.send('to all', to);
    await until(() => texts.length === 1);
    other.leaveGroup('239.255.77.7', '127.0.0.1');
    one.send('to nobody', to);
    one.send('to you', { ...to, address: '127.0.0.1' });
    await until(() => texts.length === 2);
    expect(texts).toEqual(['to all', 'to you']);
    expect(() => other.joinGroup('127.0.0.1')).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => other.joinGroup('here')).toThrow(RangeError);
    expect(() => one.setMulticastInterface('192.0.2.1')).toThrow(
      expect.objectContaining({ code: 'EADDRNOTAVAIL', address: '192.0.2.1' }),
    );
  });

  test('a group of IPv6 is joined by its zone', () => {
    const one = open({ bind: { address: '::', port: 0 } });
    one.joinGroup('ff02::77%lo');
    one.leaveGroup('ff02::77%lo');
    expect(() => one.leaveGroup('ff02::77%lo')).toThrow(
      expect.objectContaining({ syscall: 'setsockopt', address: 'ff02::77%lo' }),
    );
  });
});

describe('life', () => {
  test('closing ends it: no messages, an event, and errors for whoever goes on', async () => {
    const [one, other] = [open(), open()];
    const texts = collect(other);
    for (let count = 0; count < 5; count += 1) one.send(String(count), here(other));
    other.on('message', () => other.close());
    await next(other, 'close');
    expect(texts).toEqual(['0']);
    expect([other.fd, other.closed, other.address]).toEqual([-1, true, null]);
    other.close();
    expect(() => other.send('x')).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_CLOSED' }));
    expect(() => other.joinGroup('239.1.1.1')).toThrow('the DatagramSocket is closed');
  });

  test('the end of the loop is the end of its sockets', async () => {
    const loop = new EventLoop();
    const one = open({ bind: LOCAL, loop });
    loop.close();
    await next(one, 'close');
    expect(() => open({ bind: LOCAL, loop })).toThrow('the event loop is closed');
  });

  test('at one port with others, by reuseAddress, and beside those of IPv4, by ipv6Only', () => {
    const first = open({ bind: LOCAL, reuseAddress: true });
    const { port } = here(first);
    expect(here(open({ bind: here(first), reuseAddress: true })).port).toBe(port);
    expect(() => open({ bind: { address: '::', port } })).toThrow('EADDRINUSE');
    expect(here(open({ bind: { address: '::', port }, ipv6Only: true })).port).toBe(port);
    expect(fcntl(first.fd, c.F_GETFD)).toBe(c.FD_CLOEXEC);
  });

  test('several at one port with reusePort', async () => {
    const first = open({ bind: LOCAL, reusePort: true });
    const second = open({ bind: here(first), reusePort: true });
    expect(second.address).toEqual(first.address);
  });

  test('in a worker thread', async () => {
    const worker = new Worker(join(ROOT, 'test/net/programs/datagram-worker.ts'), {
      execArgv: [...RUNS_TYPESCRIPT],
    });
    const exit = next(worker, 'exit');
    const [port] = await next<[number]>(worker, 'message');
    const one = open({ connect: { address: '127.0.0.1', port } });
    const texts = collect(one);
    one.send('hello');
    one.send('end');
    await until(() => texts.length === 2);
    expect(texts).toEqual(['HELLO', 'END']);
    expect(await exit).toEqual([0]);
  });
});

test.each([
  ['SHUT_RD', false],
  ['SHUT_RDWR', true],
] as const)('%s: it does not spin, and can still be used for the rest', async (how, isDeaf) => {
  const loop = new EventLoop();
  const peer = open();
  const one = open({ bind: LOCAL, connect: here(peer), loop });
  const received = next<[Buffer]>(peer, 'message').then(([bytes]) => bytes.toString());
  shutdown(one.fd, c[how]);
  await until(() => ((watchedMask(loop, one.fd) ?? 0) & c.EPOLLIN) === 0);
  if (isDeaf) {
    expect(() => one.send('hello')).toThrow(/EPIPE/);
  } else {
    one.send('hello');
    expect(await received).toBe('hello');
  }
  one.close();
  loop.close();
});
