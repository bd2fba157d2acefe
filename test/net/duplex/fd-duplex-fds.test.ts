import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished, pipeline } from 'node:stream/promises';
import { Worker } from 'node:worker_threads';
import type { TcpConnection } from '../../../src/net/connection/connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import {
  AF_UNIX,
  F_DUPFD_CLOEXEC,
  F_GETFL,
  O_CLOEXEC,
  O_NONBLOCK,
  SOCK_CLOEXEC,
  SOCK_STREAM,
} from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { pipe2 } from '../../../src/sys/fds';
import { fcntl } from '../../../src/sys/io';
import { grantpt, posixOpenpt, ptsname, unlockpt } from '../../../src/sys/pty';
import { bind, listen, socket, socketpair } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { FdReader } from '../../../src/watch/stream/fd-reader';
import { Pty } from '../../../src/watch/stream/pty';
import { RawMode } from '../../../src/watch/stream/raw-mode';
import { block } from '../../support/block';
import { ROOT, runTs } from '../../support/child';
import { client, receiveAll } from '../../support/client';
import { destroyLater } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, closeNow, counter, pair, put, take, tcpPair } from '../../support/fds';
import { makeFolder } from '../../support/folder';
import { findProgram } from '../../support/programs';
import { testWith } from '../../support/requires';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';

expectNoFdLeaks();

/** A child or a worker that runs TypeScript takes seconds to start, and many on a busy machine. */
const SLOW_MS = 120_000;

const streams: FdDuplex[] = [];
afterEach(() => {
  for (const stream of streams.splice(0)) stream.destroy();
});

/** A stream that is closed after the test. */
function duplex(...args: ConstructorParameters<typeof FdDuplex>): FdDuplex {
  const stream = new FdDuplex(...args);
  streams.push(stream);
  return stream;
}

/** A copy of `fd` which nobody but the stream under test closes. */
const copy = (fd: number): number => unwrap(fcntl(fd, F_DUPFD_CLOEXEC), 'fcntl');

/** Two blocking ends of a pipe, to be given away. */
function pipe(): { reader: number; writer: number } {
  const fds = new Int32Array(2);
  unwrap(pipe2(fds, O_CLOEXEC), 'pipe2');
  return { reader: fds[0] as number, writer: fds[1] as number };
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

/** All that comes until the end. The stream may be written on. */
async function textOf(stream: FdDuplex): Promise<string> {
  let text = '';
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) text += chunk;
  return text;
}

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

describe('what is refused', () => {
  test.each(['r', 'w', 'r+'])('a regular file, opened for %s', (flags) => {
    const path = join(makeFolder(), 'file');
    writeFileSync(path, 'text');
    const fd = openSync(path, flags);
    closeLater(fd);
    expect(() => new FdDuplex(fd)).toThrow(
      expect.objectContaining({
        code: 'EPERM',
        fd,
        message: `epoll_ctl EPERM: fd ${fd} is a regular file, which is always ready and cannot be watched; use node:fs`,
      }),
    );
    expect(() => new FdDuplex({ writeFd: fd })).toThrow(/EPERM/);
    // It was not taken over.
    expect(isOpen(fd)).toBe(true);
  });

  test('a directory, an fd that is not open, a number that is no fd', () => {
    const folder = join(makeFolder(), 'folder');
    mkdirSync(folder);
    const fd = closeLater(openSync(folder, 'r'));
    expect(() => new FdDuplex(fd)).toThrow(/fd \d+ is a directory/);
    closeNow(fd);
    expect(() => new FdDuplex(fd)).toThrow(expect.objectContaining({ code: 'EBADF', fd }));
    for (const wrong of [-1, 1.5, NaN]) expect(() => new FdDuplex(wrong)).toThrow(RangeError);
  });

  test('an fd that the loop watches for somebody else, who keeps it', async () => {
    const [end, peer] = pair();
    const stream = duplex(copy(end));
    const { fd } = stream.connection as TcpConnection;
    for (const source of [fd, { readFd: fd }]) {
      expect(() => new FdDuplex(source)).toThrow(expect.objectContaining({ code: 'EEXIST', fd }));
      expect(isOpen(fd)).toBe(true);
    }
    put(peer, 'still here');
    expect(String(await next(stream, 'data'))).toBe('still here');
    const { reader, writer } = pipe();
    const first = duplex(reader);
    expect(() => new FdReader(reader)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    expect(isOpen(reader)).toBe(true);
    expect(() => new FdDuplex({ readFd: reader })).toThrow(/EEXIST/);
    writeSync(writer, 'for the first');
    closeSync(writer);
    expect(await textOf(first)).toBe('for the first');
  });

  test('a socket that listens, whose server goes on', async () => {
    const server = destroyLater(new TcpServer({ port: 0 }));
    const { fd } = server;
    const outer = closeLater(unwrap(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket'));
    unwrap(bind(outer, encodeUnixAddress({ path: '' })), 'bind');
    unwrap(listen(outer, 1), 'listen');
    for (const listener of [fd, outer]) {
      for (const source of [listener, { readFd: listener }, { writeFd: listener }]) {
        expect(() => new FdDuplex(source)).toThrow(
          expect.objectContaining({
            code: 'EINVAL',
            fd: listener,
            message: expect.stringContaining(
              `fd ${listener} is a socket that listens; give it to a TcpServer or UnixServer, as the option "fd"`,
            ),
          }),
        );
      }
    }
    // As it was, and open.
    expect(unwrap(fcntl(outer, F_GETFL), 'fcntl') & O_NONBLOCK).toBe(0);
    server.on('connection', (connection) => connection.end('hello'));
    expect((await receiveAll(await client(server.port))).toString()).toBe('hello');
  });

  test('a wrong option leaves the fd open', () => {
    const fd = counter();
    expect(() => new FdDuplex(fd, { owned: true } as never)).toThrow(/FdDuplex.*owned/);
    expect(() => new FdDuplex({ readFd: fd, fd } as never)).toThrow(/FdDuplex/);
    expect(isOpen(fd)).toBe(true);
  });

  test('a device that cannot be polled, which is closed then', () => {
    const fd = openSync('/dev/zero', 'r');
    expect(() => new FdDuplex(fd)).toThrow(/EPERM/);
    expect(isOpen(fd)).toBe(false);
  });
});

const cat = findProgram('cat');
test.each(['a pipe', 'a socket'])(
  'stdin of a child, which is %s, and stdout',
  async (kind) => {
    const child = runTs('test/net/programs/duplex-stdio.ts', {
      command: kind === 'a pipe' ? ['sh', '-c', 'cat | "$@" | cat', 'sh'] : [],
    });
    await child.printed(/ready/, SLOW_MS);
    child.process.stdin?.write('first\n');
    await child.printed(/FIRST/, SLOW_MS);
    child.process.stdin?.end('second\n');
    expect(await child.exit()).toEqual({ code: 0, signal: null });
    expect(child.stdout).toBe('ready\nFIRST\nSECOND\n');
    expect(child.stderr).toContain('closed, and 0 and 1 are open\n');
  },
  SLOW_MS,
);

testWith(cat, 'cat')(
  'the stdio of a child that we spawn: both of its pipes as one stream',
  async () => {
    const [input, output] = [pipe(), pipe()];
    const child = spawn(cat as string, { stdio: [input.reader, output.writer, 'inherit'] });
    closeSync(input.reader);
    closeSync(output.writer);
    const stream = duplex({ readFd: output.reader, writeFd: input.writer });
    const sent = randomBytes(3_000_000);
    stream.end(sent);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    expect(sha(Buffer.concat(chunks))).toBe(sha(sent));
    if (child.exitCode === null) await next(child, 'exit');
  },
);

test(
  'in a worker, which leaves nothing open when it is terminated',
  async () => {
    const { reader, writer } = pipe();
    const [own] = pair();
    const worker = new Worker(join(ROOT, 'test/net/programs/duplex-worker.ts'), {
      execArgv: [...RUNS_TYPESCRIPT],
      workerData: { readFd: reader, socket: copy(own) },
    });
    expect(await next(worker, 'message')).toEqual(['ready']);
    writeSync(writer, 'to the worker');
    expect(await next(worker, 'message')).toEqual(['to the worker']);
    await worker.terminate();
    // The worker's were the only reading end and the stream's socket.
    expect(() => writeSync(writer, 'x')).toThrow(expect.objectContaining({ code: 'EPIPE' }));
    closeSync(writer);
  },
  SLOW_MS,
);
