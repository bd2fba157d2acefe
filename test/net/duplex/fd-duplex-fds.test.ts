/** A stream on pipes, terminals, sockets and counters. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { finished, pipeline } from 'node:stream/promises';
import { AF_UNIX, SOCK_CLOEXEC } from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { grantpt, posixOpenpt, ptsname, unlockpt } from '../../../src/sys/pty';
import { socketpair } from '../../../src/sys/socket';
import { Pty } from '../../../src/watch/stream/pty';
import { RawMode } from '../../../src/watch/stream/raw-mode';
import { block } from '../../support/block';
import { runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put, take, tcpPair } from '../../support/fds';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';
import { copy, duplex, isOpen, pipe, SLOW_MS, textOf } from './fds-rig';

expectNoFdLeaks();

describe('pipes', () => {
  test('20 MB through two of them and back, byte exact, with the pipe full between', async () => {
    const [there, back] = [pipe(), pipe()];
    const near = duplex({ readFd: back.reader, writeFd: there.writer });
    const far = duplex({ readFd: there.reader, writeFd: back.writer });
    const sent = randomBytes(20_000_000);
    const echoed = pipeline(far, far);
    near.end(sent);
    const hash = createHash('sha256');
    let most = 0;
    for await (const chunk of near as AsyncIterable<Buffer>) {
      hash.update(chunk);
      most = Math.max(most, far.readableLength + far.writableLength);
      await new Promise(setImmediate);
    }
    await echoed;
    expect(hash.digest('hex')).toBe(sha(sent));
    expect([near.bytesWritten, near.bytesRead]).toEqual([sent.length, sent.length]);
    expect(most).toBeLessThan(1_000_000);
    await until(() => near.closed && far.closed);
    for (const fd of [there.reader, there.writer, back.reader, back.writer]) {
      expect([fd, isOpen(fd)]).toEqual([fd, false]);
    }
  }, 60_000);

  test('what nobody reads stays in the pipe, and the writer waits', async () => {
    const { reader, writer } = pipe();
    const writing = duplex(writer);
    const reading = duplex(reader);
    const written = jest.fn();
    writing.write(Buffer.alloc(1_000_000, 'x'), written);
    await new Promise(setImmediate);
    expect([reading.bytesRead, written.mock.calls.length]).toEqual([0, 0]);
    reading.once('readable', () => {});
    await until(() => reading.readableLength > 0);
    expect(reading.readableLength).toBeLessThan(500_000);
    expect(written).not.toHaveBeenCalled();
    writing.end();
    expect(await textOf(reading)).toHaveLength(1_000_000);
    expect(written).toHaveBeenCalledTimes(1);
  });

  test('an fd for one direction is a stream with that one', async () => {
    const { reader, writer } = pipe();
    const [source, sink] = [duplex(reader), duplex(writer)];
    expect([source.readyState, sink.readyState]).toEqual(['readOnly', 'writeOnly']);
    sink.end('one way');
    expect(await textOf(source)).toBe('one way');
    await until(() => source.closed && sink.closed);
    const other = pipe();
    const [half, rest] = [duplex({ readFd: other.reader }), duplex({ writeFd: other.writer })];
    rest.end('another');
    expect(await textOf(half)).toBe('another');
  });

  test('nobody reads any more: EPIPE, once, then close', async () => {
    const { reader, writer } = pipe();
    closeSync(reader);
    const stream = duplex(writer);
    const heard: unknown[] = [];
    stream.on('error', (error: NodeJS.ErrnoException) => heard.push(error.code));
    stream.on('close', () => heard.push('close'));
    const written = jest.fn();
    stream.write('x', written);
    await until(() => stream.closed && written.mock.calls.length > 0);
    expect(heard).toEqual(['EPIPE', 'close']);
    expect(written.mock.calls).toEqual([[expect.objectContaining({ code: 'EPIPE' })]]);
    expect(isOpen(writer)).toBe(false);
  });

  test('destroy in the middle of a write closes the fds once, and fails the write', async () => {
    const { reader, writer } = pipe();
    closeLater(reader);
    const stream = duplex(writer);
    const written = jest.fn();
    stream.write(Buffer.alloc(5_000_000), written);
    stream.destroy();
    expect(isOpen(writer)).toBe(false);
    const reused = counter();
    stream.destroy();
    await until(() => written.mock.calls.length > 0);
    expect(written.mock.calls).toEqual([[expect.any(Error)]]);
    await new Promise(setImmediate);
    expect(isOpen(reused)).toBe(true);
  });

  test('ownsFd: false leaves the fds open', async () => {
    const { reader, writer } = pipe();
    closeLater(reader);
    closeLater(writer);
    const stream = duplex({ readFd: reader, writeFd: writer }, { ownsFd: false });
    stream.end('round');
    await once(stream, 'readable');
    expect(String(stream.read())).toBe('round');
    stream.destroy();
    await next(stream, 'close');
    expect([isOpen(reader), isOpen(writer)]).toEqual([true, true]);
    put(writer, 'on');
    expect(take(reader)).toBe('on');
  });

  test('timeout: not told while bytes wait for a thread that is late', async () => {
    const { reader, writer } = pipe();
    const [reading, writing] = [duplex(reader), duplex(writer)];
    const log: string[] = [];
    reading.setTimeout(60, () => log.push('nothing came'));
    reading.on('data', () => log.push('data'));
    await new Promise(setImmediate);
    put(writer, 'x');
    block(150);
    // The timer comes first.
    reading.onTimer();
    expect(log).toEqual([]);
    await until(() => log.includes('nothing came'));
    expect(log).toEqual(['data', 'nothing came']);
    reading.removeAllListeners('data').pause();
    reading.setTimeout(0);
    // And the other direction: the pipe is full, and there is room again.
    writing.write(Buffer.alloc(500_000));
    await until(() => writing.bytesWritten > 0 && reading.readableLength > 0);
    writing.setTimeout(60, () => log.push('nothing went'));
    while (take(reader) !== '');
    block(150);
    writing.onTimer();
    expect(log).toEqual(['data', 'nothing came']);
  });

  test('timeout: told when nothing came', async () => {
    const { reader, writer } = pipe();
    const stream = duplex({ readFd: reader, writeFd: writer });
    const timeout = jest.fn();
    stream.setTimeout(30, timeout);
    await until(() => timeout.mock.calls.length === 1);
    stream.setTimeout(100_000);
    stream.ref().unref().setNoDelay().setKeepAlive(true);
    expect([stream.connection, stream.release(), stream.remoteAddress]).toEqual([
      null,
      null,
      undefined,
    ]);
    stream.resetAndDestroy();
    expect([isOpen(reader), isOpen(writer)]).toEqual([false, false]);
  });

  test(
    'nothing it watches holds the process when it is unrefed',
    async () => {
      const child = runTs('test/net/programs/unrefed-duplex.ts');
      expect(await child.exit()).toEqual({ code: 0, signal: null });
      expect(child.stdout).toBe('done\n');
    },
    SLOW_MS,
  );
});

describe('terminals', () => {
  test('a pty: what is typed is echoed, what the slave writes is read, its end is the end', async () => {
    const master = unwrap(posixOpenpt(constants.O_RDWR | constants.O_NOCTTY), 'posix_openpt');
    grantpt(master);
    unlockpt(master);
    const name = Buffer.alloc(64);
    const length = unwrap(ptsname(master, name), 'ptsname_r');
    const slave = openSync(name.toString('utf8', 0, length), constants.O_RDWR | constants.O_NOCTTY);
    const stream = duplex(master, { allowHalfOpen: false });
    let screen = '';
    stream.on('data', (chunk) => {
      screen += chunk;
    });
    const ended = finished(stream);
    stream.write('typed\n');
    await until(() => screen === 'typed\r\n');
    const line = Buffer.alloc(100);
    expect(line.toString('utf8', 0, readSync(slave, line))).toBe('typed\n');
    writeSync(slave, 'shown\n');
    await until(() => screen === 'typed\r\nshown\r\n');
    writeSync(slave, 'last words');
    closeSync(slave);
    await ended;
    expect(screen).toBe('typed\r\nshown\r\nlast words');
    await until(() => stream.closed);
    expect(isOpen(master)).toBe(false);
  });

  test('readline asks its questions on the slave of a pty', async () => {
    const pty = new Pty();
    const slave = pty.openSlave();
    const raw = new RawMode(slave);
    const stream = duplex(slave);
    let screen = '';
    pty.on('data', (chunk) => {
      screen += chunk;
    });
    const lines = createInterface({ input: stream, output: stream, terminal: true, prompt: '' });
    const answer = new Promise<string>((resolve) => lines.question('name? ', resolve));
    await until(() => screen.includes('name? '));
    pty.write('Adaa\x7f\r');
    expect(await answer).toBe('Ada');
    expect(screen).toContain('name? ');
    raw.restore();
    lines.close();
    pty.close();
  });
});

describe('sockets', () => {
  test('a unix socketpair is a connection: half-close, both ways', async () => {
    const [a, b] = pair();
    const near = duplex(copy(a));
    closeNow(a);
    const far = duplex(copy(b));
    closeNow(b);
    expect(near.connection?.fd).toBeGreaterThanOrEqual(0);
    near.end('question');
    expect(await textOf(far)).toBe('question');
    expect(far.writable).toBe(true);
    far.end('answer');
    expect(await textOf(near)).toBe('answer');
    await until(() => near.closed && far.closed);
  });

  test('a TCP socket from elsewhere has its addresses; ownsFd: false leaves it open', async () => {
    const { connected, accepted } = tcpPair();
    const stream = duplex(accepted, { ownsFd: false });
    expect(stream.remoteAddress).toBe('127.0.0.1');
    stream.write('borrowed');
    await until(() => stream.bytesWritten === 8);
    expect(take(connected)).toBe('borrowed');
    stream.destroy();
    expect(isOpen(accepted)).toBe(true);
    put(accepted, 'still mine');
    await until(() => take(connected) === 'still mine');
  });

  test('two fds of one socket, as a service of inetd has them: end sends the FIN', async () => {
    const [ours, peer] = pair();
    const [readFd, writeFd] = [copy(ours), copy(ours)];
    closeNow(ours);
    const stream = duplex({ readFd, writeFd });
    expect(stream.connection).toBeNull();
    stream.end('bye');
    const other = duplex(copy(peer));
    closeNow(peer);
    expect(await textOf(other)).toBe('bye');
    other.end('and you');
    expect(await textOf(stream)).toBe('and you');
  });

  test('SOCK_SEQPACKET keeps the bounds of messages', async () => {
    const fds = new Int32Array(2);
    const SOCK_SEQPACKET = 5;
    unwrap(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 'socketpair');
    const [a, b] = [duplex(fds[0] as number), duplex(fds[1] as number)];
    const messages: string[] = [];
    b.on('data', (chunk) => messages.push(String(chunk)));
    a.cork();
    for (const text of ['one', 'two', 'three']) a.write(text);
    a.uncork();
    await until(() => messages.length === 3);
    expect(messages).toEqual(['one', 'two', 'three']);
    a.end();
    await next(b, 'end');
  });
});

test('a counter in the kernel: 8 bytes at a time', async () => {
  const fd = copy(counter(3));
  const stream = duplex(fd);
  const [first] = await once(stream, 'data');
  expect((first as Buffer).readBigUInt64LE()).toBe(3n);
  const five = Buffer.alloc(8);
  five.writeBigUInt64LE(5n);
  stream.write(five);
  const [second] = await once(stream, 'data');
  expect((second as Buffer).readBigUInt64LE()).toBe(5n);
});
