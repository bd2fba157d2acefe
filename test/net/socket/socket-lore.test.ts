/** What one must know of sockets, shown with the raw calls: buffers, ends, bursts, dead clients. */
import { randomBytes } from 'node:crypto';
import { Epoll } from '../../../src/epoll/epoll';
import { getSocketOption, setSocketOption } from '../../../src/net/socket/options';
import * as c from '../../../src/sys/constants';
import { errno } from '../../../src/sys/errno';
import { setNonBlocking } from '../../../src/sys/io';
import { accept4, bind, connect, listen, recv, send, socket } from '../../../src/sys/socket';
import { sendfile } from '../../../src/sys/transfer';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow, pair, take, tcpPair } from '../../support/fds';
import { memoryFile, positionOf, textOf } from '../../support/files';
import { sha } from '../../support/sha';

expectNoFdLeaks();

const EDGE = (c.EPOLLIN | c.EPOLLET) >>> 0;
const buffer = Buffer.alloc(64 * 1024);

const epolls: Epoll[] = [];
afterEach(() => {
  for (const epoll of epolls.splice(0)) epoll.close();
});

/** A set that watches `fd`. */
function watching(fd: number, events = EDGE): Epoll {
  const epoll = new Epoll();
  epolls.push(epoll);
  epoll.add(fd, events);
  return epoll;
}

/** Whether `fd`, the only one of the set, is told of now. */
const isTold = (epoll: Epoll, timeoutMs = 0): boolean => epoll.wait({ timeoutMs }).length === 1;
const LONG_MS = 20_000;

/** Send until the kernel takes no more. Returns how much it took. */
function fill(fd: number, bytes: Buffer): number {
  for (let sent = 0; ; ) {
    const rest = bytes.subarray(sent);
    const count = rest.length === 0 ? -errno.EAGAIN : send(fd, rest, rest.length, c.MSG_NOSIGNAL);
    if (count === -errno.EAGAIN) return sent;
    expect(count).toBeGreaterThan(0);
    sent += count;
  }
}

describe('a small receive buffer', () => {
  test('edge-triggered, more bytes are reported although those before were not read', () => {
    const { connected, accepted } = tcpPair();
    setSocketOption(accepted, 'receiveBufferBytes', 4_096);
    const epoll = watching(accepted);
    for (let total = 5; total <= 50; total += 5) {
      send(connected, Buffer.from('hello'), 5, 0);
      expect(isTold(epoll, LONG_MS)).toBe(true);
      expect(isTold(epoll)).toBe(false);
      // Five bytes of ten are taken: what is left is told of no more.
      if (total % 10 === 0) expect(recv(accepted, buffer, 5, 0)).toBe(5);
      expect(isTold(epoll)).toBe(false);
    }
    expect(recv(accepted, buffer, 100, 0)).toBe(25);
  });

  test('when it is full the sender waits, and nothing is lost; also if it is resized meanwhile', () => {
    const { connected, accepted } = tcpPair();
    setSocketOption(accepted, 'receiveBufferBytes', 4_096);
    setSocketOption(connected, 'sendBufferBytes', 4_096);
    setSocketOption(connected, 'noDelay', true);
    const sizes = [65_536, 4_096, 300_000];
    const sending = randomBytes(200_000);
    const both = watching(connected, (c.EPOLLOUT | c.EPOLLET) >>> 0);
    both.add(accepted, c.EPOLLIN);
    const received: Buffer[] = [];
    let length = 0;
    let sent = fill(connected, sending);
    // Nobody reads: the two buffers hold little of it, and the sender is told to wait.
    expect(sent).toBeLessThan(sending.length / 2);
    expect(send(connected, buffer, 1, c.MSG_NOSIGNAL)).toBe(-errno.EAGAIN);
    for (let reads = 0; length < sending.length; ) {
      const events = both.wait({ timeoutMs: LONG_MS });
      expect(events.length).toBeGreaterThan(0);
      for (const { fd } of events) {
        if (fd === connected) sent += fill(connected, sending.subarray(sent));
        if (fd !== accepted) continue;
        const count = recv(accepted, buffer, buffer.length, 0);
        expect(count).toBeGreaterThan(0);
        received.push(Buffer.from(buffer.subarray(0, count)));
        length += count;
        reads += 1;
        const size = sizes[(reads / 5) % sizes.length];
        if (size !== undefined) setSocketOption(accepted, 'receiveBufferBytes', size);
      }
    }
    expect(sha(Buffer.concat(received))).toBe(sha(sending));
  });

  test('the kernel doubles what is asked for, and gives no less than its minimum', () => {
    const { accepted } = tcpPair();
    setSocketOption(accepted, 'receiveBufferBytes', 8_192);
    expect(getSocketOption(accepted, 'receiveBufferBytes')).toBe(16_384);
    setSocketOption(accepted, 'receiveBufferBytes', 1);
    expect(getSocketOption(accepted, 'receiveBufferBytes')).toBeGreaterThan(1_000);
  });
});

describe('what recv gives', () => {
  test('bytes, nothing yet, the end, and a reset are four different things', () => {
    const { connected, accepted } = tcpPair();
    const epoll = watching(accepted, c.EPOLLIN);
    expect(recv(accepted, buffer, 10, 0)).toBe(-errno.EAGAIN);
    send(connected, Buffer.from('x'), 1, 0);
    expect(isTold(epoll, LONG_MS)).toBe(true);
    expect(recv(accepted, buffer, 10, 0)).toBe(1);
    expect(recv(accepted, buffer, 10, 0)).toBe(-errno.EAGAIN);
    closeNow(connected);
    expect(isTold(epoll, LONG_MS)).toBe(true);
    expect(recv(accepted, buffer, 10, 0)).toBe(0);
    // The end stays the end.
    expect(recv(accepted, buffer, 10, 0)).toBe(0);
  });

  test('a reset is an error, reported once; then there is the end', () => {
    const { connected, accepted } = tcpPair();
    const epoll = watching(accepted, c.EPOLLIN);
    setSocketOption(connected, 'linger', { enabled: true, seconds: 0 });
    closeNow(connected);
    expect(isTold(epoll, LONG_MS)).toBe(true);
    expect(recv(accepted, buffer, 10, 0)).toBe(-errno.ECONNRESET);
    expect(recv(accepted, buffer, 10, 0)).toBe(0);
  });

  test('asked for nothing it gives 0 too, which is not the end', () => {
    const [one, other] = pair();
    send(one, Buffer.from('x'), 1, 0);
    expect(recv(other, buffer, 0, 0)).toBe(0);
    expect(recv(other, buffer, 1, 0)).toBe(1);
  });
});

describe('a burst of connections', () => {
  const COUNT = 50;

  /** A listener, and as many connections in its queue as are asked for. Unix: they are there at once. */
  function listening(): { listener: number; burst: (count: number) => void } {
    const address = encodeUnixAddress({ path: `\0lore-${process.pid}-${Math.random()}` });
    const STREAM = c.SOCK_STREAM | c.SOCK_CLOEXEC;
    const listener = closeLater(socket(c.AF_UNIX, STREAM | c.SOCK_NONBLOCK, 0));
    expect(bind(listener, address)).toBe(0);
    expect(listen(listener, 2 * COUNT)).toBe(0);
    const burst = (count: number): void => {
      for (let index = 0; index < count; index += 1) {
        expect(connect(closeLater(socket(c.AF_UNIX, STREAM, 0)), address)).toBe(0);
      }
    };
    return { listener, burst };
  }

  /** Accept at most `limit` of those who wait. */
  function accept(listener: number, limit = Infinity): number {
    for (let count = 0; ; count += 1) {
      const fd = count < limit ? accept4(listener, c.SOCK_CLOEXEC) : -1;
      if (fd < 0) return count;
      closeLater(fd);
    }
  }

  /** Accept as long as events come. */
  function serve(epoll: Epoll, acceptSome: () => number): number {
    let accepted = 0;
    while (isTold(epoll)) accepted += acceptSome();
    return accepted;
  }

  test('edge-triggered, accepting once leaves all but one, until another comes', () => {
    const { listener, burst } = listening();
    const epoll = watching(listener);
    burst(COUNT);
    expect(serve(epoll, () => accept(listener, 1))).toBe(1);
    burst(1);
    expect(serve(epoll, () => accept(listener, 1))).toBe(1);
    expect(accept(listener)).toBe(COUNT - 1);
  });

  test('edge-triggered, draining takes all; level-triggered, so does accepting once', () => {
    const { listener, burst } = listening();
    const edge = watching(listener);
    burst(COUNT);
    expect(serve(edge, () => accept(listener))).toBe(COUNT);
    edge.remove(listener);
    const level = watching(listener, c.EPOLLIN);
    burst(COUNT);
    expect(serve(level, () => accept(listener, 1))).toBe(COUNT);
  });
});

describe('SIGPIPE', () => {
  test.each(['main', 'worker'])(
    'a write to a dead client is an error and no signal: %s',
    async (thread) => {
      const child = runTs('test/net/programs/dead-client.ts', { args: [thread] });
      expect(await child.exit()).toEqual({ code: 0, signal: null });
      expect(child.stdout).toMatch(/^EPIPE EPIPE EPIPE (EPIPE|ECONNRESET)\n$/);
    },
    60_000,
  );
});

describe('sendfile', () => {
  const TEXT = 'abcdefghijklmnopqrstuvwxyz';

  test('without an offset it moves the position of the file, with one it does not', () => {
    const [one, other] = pair();
    const file = memoryFile(TEXT);
    expect(sendfile(one, file, 3, 5)).toBe(5);
    expect([positionOf(file), take(other)]).toEqual([0, 'defgh']);
    expect(sendfile(one, file, null, 5)).toBe(5);
    expect([positionOf(file), take(other)]).toEqual([5, 'abcde']);
    expect(sendfile(one, file, null, 100)).toBe(21);
    expect([positionOf(file), take(other)]).toEqual([26, TEXT.slice(5)]);
    expect(sendfile(one, file, null, 5)).toBe(0);
    expect(sendfile(one, file, 26, 5)).toBe(0);
    expect(textOf(file)).toBe(TEXT);
  });

  test('what a full socket does not take is for the next call, from where the last one stopped', () => {
    const [one, other] = pair();
    setNonBlocking(one);
    setSocketOption(one, 'sendBufferBytes', 4_096);
    const content = randomBytes(500_000).toString('hex');
    const file = memoryFile(content);
    let offset = 0;
    let full = 0;
    const received: Buffer[] = [];
    while (offset < content.length) {
      const count = sendfile(one, file, offset, content.length - offset);
      if (count > 0) offset += count;
      if (count > 0 && offset < content.length) full += 1;
      for (let got = 1; got > 0; ) {
        got = recv(other, buffer, buffer.length, 0);
        if (got > 0) received.push(Buffer.from(buffer.subarray(0, got)));
      }
    }
    expect(full).toBeGreaterThan(1);
    expect(Buffer.concat(received).toString() === content).toBe(true);
  });
});
