import { createSocket } from 'node:dgram';
import { closeSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EventLoop } from '../../../src/loop/event-loop';
import type { DatagramSocketOptions } from '../../../src/net/datagram/options';
import { DatagramSocket } from '../../../src/net/datagram/socket';
import { getSocketOption, setSocketOption } from '../../../src/net/socket/options';
import { encodeAddress, type SocketAddress } from '../../../src/sys/address';
import * as c from '../../../src/sys/constants';
import { errno, type SystemError } from '../../../src/sys/errno';
import { fcntl } from '../../../src/sys/io';
import { bind, recv, shutdown, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { ROOT } from '../../support/child';
import { clog, connectedFd } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { watchedMask } from '../../support/fdinfo';
import { closeLater } from '../../support/fds';
import { socketCount } from '../../support/open-fds';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const LOCAL = { address: '127.0.0.1', port: 0 };
const sockets: DatagramSocket[] = [];
const folders: string[] = [];

afterEach(() => {
  for (const one of sockets.splice(0)) one.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function open(options: DatagramSocketOptions = { bind: LOCAL }): DatagramSocket {
  const one = new DatagramSocket(options);
  sockets.push(one);
  return one;
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
  folders.push(made);
  return made;
}

/** The texts of the messages as they come. */
function collect(one: DatagramSocket): string[] {
  const texts: string[] = [];
  one.on('message', (bytes) => texts.push(bytes.toString()));
  return texts;
}

const here = (one: DatagramSocket): SocketAddress => one.address as SocketAddress;
let names = 0;
const abstract = (): string => {
  names += 1;
  return `\0epoll-ffi-${process.pid}-${names}`;
};

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

describe('a full receiver', () => {
  test.each([
    ['send', 'connected'],
    ['send', 'addressed'],
    ['sendMany', 'connected'],
    ['sendMany', 'addressed'],
  ])(
    '%s to one that is %s: watched for room, or tried again by the clock, and no longer than that',
    async (way, how) => {
      const path = abstract();
      const loop = new EventLoop({ waiter: 'libuv' });
      const other = closeLater(socket(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0));
      bind(other, encodeUnixAddress({ path }));
      const one = open(
        how === 'connected' ? { connect: { path }, loop } : { family: 'unix', loop },
      );
      const to = how === 'connected' ? undefined : { path };
      const bytes = Buffer.from('x');
      const send = (): boolean =>
        way === 'send' ? one.send(bytes, to) : one.sendMany([to ? { bytes, to } : { bytes }]) === 1;
      const watchesRoom = (): boolean => ((watchedMask(loop, one.fd) as number) & c.EPOLLOUT) !== 0;
      while (send());
      expect([watchesRoom(), loop.timers.size]).toEqual(
        how === 'connected' ? [true, 0] : [false, 1],
      );
      const drained = next(one, 'drain');
      const sink = new Uint8Array(1);
      expect(recv(other, sink, 1, c.MSG_DONTWAIT)).toBe(1);
      await drained;
      expect([watchesRoom(), loop.timers.size]).toEqual([false, 0]);
      while (send());
      one.close();
      expect(loop.timers.size).toBe(0);
      loop.close();
    },
  );

  test.each(['connected', 'addressed'])('send says false, and drain follows: %s', async (way) => {
    const path = abstract();
    const other = open({ bind: { path } });
    const one = way === 'connected' ? open({ connect: { path } }) : open({ family: 'unix' });
    const to = way === 'connected' ? undefined : { path };
    let sent = 0;
    while (one.send('x', to)) sent += 1;
    expect(sent).toBeGreaterThan(0);
    let drains = 0;
    one.on('drain', () => {
      drains += 1;
    });
    const texts = collect(other);
    await until(() => drains > 0 && texts.length === sent);
    expect(one.send('y', to)).toBe(true);
    await until(() => texts.at(-1) === 'y');
  });

  test('a sender that goes on trying is told of room all the same', async () => {
    const path = abstract();
    // It never reads.
    const other = closeLater(socket(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0));
    bind(other, encodeUnixAddress({ path }));
    const one = open({ family: 'unix' });
    while (one.send('x', { path }));
    const drained = jest.fn();
    one.once('drain', drained);
    await until(() => {
      if (drained.mock.calls.length === 0) one.send('x', { path });
      return drained.mock.calls.length > 0;
    });
  });

  test('an addressed sender does not spin while the receiver does not read', async () => {
    const path = abstract();
    const loop = new EventLoop();
    const other = socket(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0);
    bind(other, encodeUnixAddress({ path }));
    const one = open({ family: 'unix', loop });
    while (one.send('x', { path }));
    let drains = 0;
    one.on('drain', () => {
      drains += 1;
      one.send('x', { path });
    });
    await until(() => drains >= 3);
    expect(loop.stats().turns).toBeLessThan(1_000);
    closeSync(other);
    loop.close();
    expect(one.closed).toBe(true);
  });
});

describe('errors', () => {
  test('a connected UDP socket is told that nobody is there, and goes on', async () => {
    const gone = open();
    const to = here(gone);
    gone.close();
    await next(gone, 'close');
    const one = open({ connect: to });
    expect(one.remoteAddress).toEqual(to);
    const errors: Error[] = [];
    one.on('error', (error) => errors.push(error));
    one.send('is anybody there?');
    await until(() => errors.length === 1);
    expect(errors[0]).toMatchObject({ code: 'ECONNREFUSED', fd: one.fd });
    // Told by the next call, if it comes before the loop's turn.
    one.send('again');
    one.send('and again');
    await until(() => errors.length >= 2);
    expect(one.closed).toBe(false);
    const back = open({ bind: to });
    const texts = collect(back);
    await until(() => {
      one.send('now?');
      return texts.length > 0;
    });
    expect(texts[0]).toBe('now?');
  });

  test.each(['send', 'sendMany'] as const)(
    '%s that meets the error of an earlier message sends, and tells of it after it',
    async (way) => {
      const gone = open();
      const to = here(gone);
      gone.close();
      const one = open({ connect: to });
      const errors: SystemError[] = [];
      one.on('error', (error) => errors.push(error as SystemError));
      const send = (): unknown =>
        way === 'send' ? one.send('x') : one.sendMany([{ bytes: Buffer.from('x') }]);
      // On this machine the answer to the first is there before the second.
      expect([send(), send(), errors]).toEqual([
        way === 'send' ? true : 1,
        way === 'send' ? true : 1,
        [],
      ]);
      await new Promise<void>((resolve) => process.nextTick(resolve));
      const syscall = 'sendto';
      expect(errors).toEqual([expect.objectContaining({ code: 'ECONNREFUSED', syscall })]);
      // The second was answered too, which is nobody's call.
      await until(() => errors.length === 2);
      expect(errors[1]).toMatchObject({ code: 'ECONNREFUSED' });
    },
  );

  test('an error that is thrown is not told as well', async () => {
    const one = open({ family: 'unix' });
    const told = jest.fn();
    one.on('error', told);
    const to = { path: '\0epoll-ffi-nobody' };
    expect(() => one.send('x', to)).toThrow('ECONNREFUSED');
    expect(() => one.sendMany([{ bytes: Buffer.from('x'), to }])).toThrow('ECONNREFUSED');
    await new Promise(setImmediate);
    expect(told).not.toHaveBeenCalled();
  });

  test('a listener of error may throw: the socket goes on, and so do the others', async () => {
    const gone = open();
    const to = here(gone);
    gone.close();
    const one = open({ connect: to });
    const uncaught = jest.spyOn(EventLoop.prototype, 'uncaught').mockImplementation(() => {});
    one.on('error', () => {
      throw new Error('mine');
    });
    one.send('x');
    one.send('x');
    await until(() => uncaught.mock.calls.length === 2);
    uncaught.mockRestore();
    expect([one.closed, one.send('x')]).toEqual([false, true]);
  });

  test('an error that was taken in the same batch is not told again', async () => {
    const gone = open();
    const to = here(gone);
    gone.close();
    const both = [open({ connect: to }), open({ connect: to })];
    const codes: (string | undefined)[] = [];
    for (const [index, one] of both.entries()) {
      one.on('error', (error) => {
        codes.push((error as NodeJS.ErrnoException).code);
        // The event of the other one is fetched already.
        expect(getSocketOption((both[1 - index] as DatagramSocket).fd, 'error')).toBe(
          errno.ECONNREFUSED,
        );
      });
      one.send('x');
    }
    await until(() => codes.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(codes).toEqual(['ECONNREFUSED']);
  });

  test('a listener of error may close the socket: what waits behind it is not told', async () => {
    const gone = open();
    const one = open({ connect: here(gone), bind: LOCAL });
    const texts = collect(one);
    const uncaught = jest.spyOn(EventLoop.prototype, 'uncaught').mockImplementation(() => {});
    const told = jest.fn(() => one.close());
    one.on('error', told);
    // In one turn, so that one event tells of both.
    gone.send('waits', here(one));
    gone.close();
    one.send('x');
    await next(one, 'close');
    await new Promise(setImmediate);
    expect([texts, told.mock.calls.length, uncaught.mock.calls]).toEqual([[], 1, []]);
    uncaught.mockRestore();
  });

  test('nobody need listen to it', async () => {
    const gone = open();
    const to = here(gone);
    gone.close();
    const one = open({ connect: to });
    one.send('lost');
    const other = open();
    const texts = collect(other);
    open().send('marker', here(other));
    await until(() => texts.length === 1);
    expect(one.closed).toBe(false);
  });

  test('no such unix socket is an exception', () => {
    const one = open({ family: 'unix' });
    expect(() => one.send('x', { path: '\0epoll-ffi-nobody' })).toThrow(
      expect.objectContaining({ code: 'ECONNREFUSED', syscall: 'sendto' }),
    );
    expect(() => one.send('x', { path: '/no/such/socket' })).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
    expect(() => open({ connect: { path: '/no/such/socket' } })).toThrow(
      expect.objectContaining({ code: 'ENOENT', syscall: 'connect', address: '/no/such/socket' }),
    );
  });

  test('an address that is taken is named', () => {
    const { port } = here(open());
    expect(() => open({ bind: { address: '127.0.0.1', port } })).toThrow(
      expect.objectContaining({
        code: 'EADDRINUSE',
        syscall: 'bind',
        port,
        message: `bind EADDRINUSE: address already in use 127.0.0.1:${port}`,
      }),
    );
    const path = abstract();
    open({ bind: { path } });
    expect(() => open({ bind: { path } })).toThrow(
      `bind EADDRINUSE: address already in use @${path.slice(1)}`,
    );
  });

  test('wrong options and arguments are named', () => {
    expect(() => open({ bind: { address: '127.0.0.1' } as never })).toThrow(
      /option "bind" of DatagramSocket: expected an object with address and port/,
    );
    expect(() => open({ bind: { address: 'localhost', port: 0 } })).toThrow(RangeError);
    expect(() => open({ bind: { path: 'x'.repeat(108) } })).toThrow(RangeError);
    expect(() => open({ messagesPerCall: 0 })).toThrow(/option "messagesPerCall"/);
    expect(() => open({ family: 'IPv4', bind: { path: abstract() } })).toThrow(
      expect.objectContaining({ syscall: 'bind' }),
    );
    const one = open();
    expect(() => one.send(3 as never)).toThrow(TypeError);
    expect(() => one.send('x', { address: '1.2.3', port: 1 })).toThrow(RangeError);
    expect(() => one.send('x', 'somebody' as never)).toThrow(TypeError);
    expect(() => one.sendMany('x' as never)).toThrow(TypeError);
  });

  test('what a listener throws does not cost the others their messages', async () => {
    const [one, other] = [open(), open()];
    const texts: string[] = [];
    const loop = jest.spyOn(EventLoop.prototype, 'uncaught').mockImplementation(() => {});
    other.on('message', (bytes) => {
      texts.push(bytes.toString());
      if (texts.length === 1) throw new Error('mine');
    });
    one.sendMany(['a', 'b', 'c'].map((text) => ({ bytes: Buffer.from(text), to: here(other) })));
    await until(() => texts.length === 3);
    expect(loop).toHaveBeenCalledTimes(1);
    loop.mockRestore();
  });
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
