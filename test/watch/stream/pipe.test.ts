import { spawn } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { defaultLoop } from '../../../src/loop/default-loop';
import { EventLoop } from '../../../src/loop/event-loop';
import { F_GETFD } from '../../../src/sys/constants';
import { errno } from '../../../src/sys/errno';
import { fcntl } from '../../../src/sys/io';
import { FdReader } from '../../../src/watch/stream/fd-reader';
import { FdWriter } from '../../../src/watch/stream/fd-writer';
import { Pipe } from '../../../src/watch/stream/pipe';
import { runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { watchedMask } from '../../support/fdinfo';
import { next, until } from '../../support/until';
import { runInWorker } from '../../support/worker';

expectNoFdLeaks();

/** Bytes that show where they belong. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(at, at);
  return bytes;
}

test('what is written comes out; the end of writing closes the reader', async () => {
  using pipe = new Pipe();
  const chunks: Buffer[] = [];
  pipe.reader.on('data', (chunk) => chunks.push(chunk));
  expect(pipe.writer.write('hello ')).toBe(true);
  pipe.writer.end(Buffer.from('world'));
  await next(pipe.reader, 'close');
  expect(Buffer.concat(chunks).toString()).toBe('hello world');
  expect([pipe.reader.fd, pipe.writer.fd]).toEqual([-1, -1]);
});

test('five million bytes in order, with every callback once and in order', async () => {
  using pipe = new Pipe();
  const sent = pattern(5_000_000);
  const settled: number[] = [];
  const errors: unknown[] = [];
  let drains = 0;
  pipe.writer.on('drain', () => {
    drains += 1;
  });
  for (let at = 0, index = 0; at < sent.length; at += 100_000, index += 1) {
    pipe.writer.write(sent.subarray(at, at + 100_000), (error) => {
      settled.push(index);
      errors.push(error);
    });
  }
  expect(pipe.writer.queuedBytes).toBe(5_000_000 - 65_536);
  pipe.writer.write('', () => settled.push(-1));
  pipe.writer.on('drain', () => pipe.writer.end());
  const chunks: Buffer[] = [];
  for await (const chunk of pipe.reader) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  expect(settled).toEqual([...Array.from({ length: 50 }, (_, index) => index), -1]);
  expect(new Set(errors)).toEqual(new Set([undefined]));
  expect(drains).toBe(1);
});

test('the fd is watched for room only while something waits', async () => {
  using pipe = new Pipe({ highWaterMark: 100 });
  const { writer, reader } = pipe;
  const { fd } = writer;
  expect(writer.write(Buffer.alloc(65_536))).toBe(true);
  expect(watchedMask(defaultLoop(), fd)).toBeUndefined();
  expect(writer.write(Buffer.alloc(99))).toBe(true);
  expect(writer.write(Buffer.alloc(1))).toBe(false);
  expect(watchedMask(defaultLoop(), fd)).toBeDefined();
  let received = 0;
  reader.on('data', (chunk) => {
    received += chunk.length;
  });
  await next(writer, 'drain');
  expect(watchedMask(defaultLoop(), fd)).toBeUndefined();
  await until(() => received === 65_636);
});

test('packets keep their bounds, also when they had to wait', async () => {
  using pipe = new Pipe({ packets: true, capacity: 4_096 });
  const sizes = Array.from({ length: 200 }, (_, index) => 1 + ((index * 37) % 4_096));
  for (const size of sizes) pipe.writer.write(Buffer.alloc(size, size));
  expect(pipe.writer.queuedBytes).toBeGreaterThan(0);
  pipe.writer.end();
  const seen: number[] = [];
  for await (const packet of pipe.reader) seen.push(packet.length);
  expect(seen).toEqual(sizes);
});

test('the capacity is rounded up, and has a limit', () => {
  using pipe = new Pipe();
  expect(pipe.capacity).toBe(65_536);
  pipe.capacity = 100_000;
  expect(pipe.capacity).toBe(131_072);
  for (const wrong of [0, -1, 1.5, 2 ** 31]) {
    expect(() => {
      pipe.capacity = wrong;
    }).toThrow(RangeError);
  }
  pipe.writer.write(Buffer.alloc(100_000));
  expect(() => {
    pipe.capacity = 4_096;
  }).toThrow(/fcntl EBUSY/);
});

describe('given away', () => {
  test('both directions of a child’s stdio', async () => {
    const [input, output] = [new Pipe(), new Pipe()];
    const stdio = [input.releaseReadFd(), output.releaseWriteFd()] as const;
    const child = spawn('cat', [], { stdio: [...stdio, 'inherit'] });
    for (const fd of stdio) closeSync(fd);
    const exit = next(child, 'exit');
    const sent = pattern(1_000_000);
    input.writer.end(sent);
    const chunks: Buffer[] = [];
    for await (const chunk of output.reader) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
    expect(await exit).toEqual([0, null]);
  });

  test('an end is given away once, and not when it is used here; it blocks', () => {
    using pipe = new Pipe();
    pipe.writer.write('x');
    expect(() => pipe.releaseWriteFd()).toThrow('the writing end of the pipe is used here');
    const fd = pipe.releaseReadFd();
    expect(readSync(fd, Buffer.alloc(8))).toBe(1);
    expect(() => pipe.releaseReadFd()).toThrow('was given away or closed');
    expect(() => pipe.reader).toThrow(expect.objectContaining({ code: 'ERR_PIPE_END' }));
    closeSync(fd);
  });
});

describe('the writer fails', () => {
  test('with EPIPE when the reader is gone: every callback once, error, close', async () => {
    using pipe = new Pipe();
    const { writer } = pipe;
    const log: string[] = [];
    writer.on('error', (error) => log.push(`error ${(error as NodeJS.ErrnoException).code}`));
    writer.on('close', () => log.push('close'));
    writer.write(Buffer.alloc(65_536), () => log.push('first'));
    for (const name of ['second', 'third']) {
      writer.write('x', (error) => log.push(`${name} ${(error as NodeJS.ErrnoException).code}`));
    }
    closeSync(pipe.releaseReadFd());
    await until(() => log.length === 5);
    expect(log[0]).toBe('first');
    expect(log.slice(1).sort()).toEqual(['close', 'error EPIPE', 'second EPIPE', 'third EPIPE']);
    expect(writer.write('late', (error) => log.push(error?.message ?? 'no error'))).toBe(false);
    await until(() => log.at(-1) === 'the writer is closed');
  });

  test('with EPIPE at once, without having waited', async () => {
    using pipe = new Pipe();
    closeSync(pipe.releaseReadFd());
    const failed = next<[NodeJS.ErrnoException]>(pipe.writer, 'error');
    const told: unknown[] = [];
    expect(pipe.writer.write('x', (error) => told.push(error))).toBe(false);
    const [error] = await failed;
    await until(() => told.length > 0);
    expect(told).toEqual([error]);
    expect(error).toMatchObject({ code: 'EPIPE', syscall: 'write' });
    expect(pipe.writer.closed).toBe(true);
  });

  test('with ENOBUFS one byte past the limit', async () => {
    using pipe = new Pipe({ maxQueuedBytes: 1_000 });
    const failed = next<[NodeJS.ErrnoException]>(pipe.writer, 'error');
    pipe.writer.write(Buffer.alloc(65_536 + 1_000));
    expect([pipe.writer.queuedBytes, pipe.writer.writable]).toEqual([1_000, true]);
    expect(pipe.writer.write('x')).toBe(false);
    expect((await failed)[0].code).toBe('ENOBUFS');
  });

  test('close calls the callbacks of waiting writes', async () => {
    using pipe = new Pipe();
    const told = new Promise((resolve) => {
      pipe.writer.write(Buffer.alloc(70_000), resolve);
    });
    pipe.close();
    expect(await told).toMatchObject({ code: 'ERR_WRITER_CLOSED' });
    pipe.close();
    expect(() => pipe.capacity).toThrow('no end that is open here');
  });
});

test('end writes what waits first, and takes nothing more', async () => {
  using pipe = new Pipe();
  pipe.writer.write(Buffer.alloc(200_000));
  pipe.writer.end('last');
  expect(pipe.writer.write('too late')).toBe(false);
  let received = Buffer.alloc(0);
  for await (const chunk of pipe.reader) received = Buffer.concat([received, chunk]);
  expect(received).toHaveLength(200_004);
  expect(received.subarray(-4).toString()).toBe('last');
});

test('a listener for the close that throws does not keep the fd open', () => {
  using pipe = new Pipe();
  const { writer } = pipe;
  const { fd } = writer;
  writer.on('close', () => {
    throw new Error('a mistake');
  });
  expect(() => writer.close()).toThrow('a mistake');
  expect(fcntl(fd, F_GETFD)).toBe(-errno.EBADF);
});

test('a listener for the error that throws does not keep the writer open', async () => {
  const child = runTs('test/watch/programs/failing-writer.ts');
  expect(await child.exit()).toMatchObject({ code: 0 });
  expect(child.stdout.trim().split('\n')).toEqual([
    'uncaught a mistake',
    'callback EPIPE',
    'closed',
  ]);
});

test('mistakes are named', () => {
  expect(() => new Pipe({ capacity: 0 })).toThrow(/option "capacity" of Pipe/);
  expect(() => new Pipe({ capacity: 2 ** 31 - 1 })).toThrow(/fcntl E/);
  expect(() => new FdReader(-1)).toThrow(RangeError);
  expect(() => new FdWriter(2 ** 31 - 1)).toThrow(/EBADF/);
  expect(() => new FdReader(openSync(__filename, 'r'))).toThrow(/EPERM/);
  expect(() => new FdReader(openSync('/dev/null', 'r'), { x: 1 } as never)).toThrow(/of FdReader/);
  using pipe = new Pipe();
  expect(() => pipe.writer.write(5 as never)).toThrow(TypeError);
});

test('an fd that was to be taken over is closed, whatever is wrong', () => {
  const loop = new EventLoop();
  loop.close();
  const cases: ((fd: number) => unknown)[] = [
    (fd) => new FdReader(fd, { x: 1 } as never),
    (fd) => new FdReader(fd, { loop }),
    (fd) => new FdReader(fd, { signal: AbortSignal.abort() }),
    (fd) => new FdWriter(fd, { highWaterMark: -1 }),
  ];
  for (const take of cases) {
    const fd = openSync('/dev/null', 'r+');
    expect(() => take(fd)).toThrow();
    expect(() => closeSync(fd)).toThrow('EBADF');
  }
});

test('works in a worker', async () => {
  expect(await runInWorker('pipe')).toBe('through a pipe');
});

test('a reader that could not be made closes its fd once, not again with its thread', async () => {
  const answer = (await runInWorker('failedReader')) as string;
  const [, fd] = /^ERR_LOOP_CLOSED true (\d+)$/.exec(answer) ?? [];
  // Of the worker's, and none that it owned: still open, and here the last that knows of it.
  expect(() => closeSync(Number(fd))).not.toThrow();
});
