/** Every callback of a write is called once, in whatever way its connection ends. */
import { EventLoop } from '../../../src/loop/event-loop';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import type { TcpServerOptions } from '../../../src/net/server/tcp-server';
import { SO_LINGER, SOL_SOCKET } from '../../../src/sys/constants';
import { recv, setsockopt } from '../../../src/sys/socket';
import { clog, connectedFd } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeNow } from '../../support/fds';
import { memoryFile } from '../../support/files';
import { until } from '../../support/until';

expectNoFdLeaks();

const loops: EventLoop[] = [];
afterEach(() => {
  for (const loop of loops.splice(0)) loop.close();
});

type End = (connection: TcpConnection, fd: number) => void;
type Options = Partial<TcpServerOptions>;

function readAll(fd: number): void {
  const buffer = Buffer.allocUnsafe(1_000_000);
  while (recv(fd, buffer, buffer.length, 0) > 0);
}

const endings: [name: string, end: End, codes: string[], options: Options][] = [
  ['destroy', (connection) => connection.destroy(), ['ERR_CONNECTION_CLOSED'], {}],
  [
    'destroy with an error',
    (connection) => connection.destroy(Object.assign(new Error('mine'), { code: 'MINE' })),
    ['MINE'],
    {},
  ],
  [
    'end, and destroy before it is sent',
    (connection) => {
      connection.end();
      connection.destroy();
    },
    ['ERR_CONNECTION_CLOSED'],
    {},
  ],
  [
    'a reset by the peer',
    (_, fd) => {
      setsockopt(fd, SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
      closeNow(fd);
    },
    ['ECONNRESET', 'EPIPE'],
    {},
  ],
  ['the write deadline', () => {}, ['ETIMEDOUT'], { writeTimeoutMs: 20 }],
  [
    'too much in the queue',
    (connection) => void connection.write(Buffer.alloc(16 * 1024 * 1024)),
    ['ENOBUFS'],
    {},
  ],
  ['the end of the loop', (connection) => connection.loop.close(), ['ERR_LOOP_CLOSED'], {}],
];

describe.each([false, true])('corked: %s', (isCorked) => {
  test.each(endings)('by %s', async (_, end, codes, options) => {
    const loop = new EventLoop();
    loops.push(loop);
    const { connection, fd } = await connectedFd({ ...options, loop }, 4_096);
    const counts: number[] = [];
    const errors: (string | undefined)[] = [];
    const note = (): ((error?: Error) => void) => {
      const place = counts.push(0) - 1;
      return (error) => {
        counts[place] = (counts[place] as number) + 1;
        errors[place] = (error as NodeJS.ErrnoException | undefined)?.code;
      };
    };
    connection.write('sent', note());
    clog(connection);
    if (isCorked) connection.cork();
    const file = memoryFile('file');
    connection.write('small', note());
    connection.write('', note());
    connection.sendFile(file, { offset: 0, length: 4 }, note());
    // More than the kernel could take in the meantime.
    connection.write(Buffer.alloc(12 * 1024 * 1024), note());
    end(connection, fd);
    await until(() => connection.closed);
    connection.write('late', note());
    connection.sendFile(file, { offset: 0, length: 4 }, note());
    await until(() => counts.every((count) => count > 0));
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    expect(counts).toEqual([1, 1, 1, 1, 1, 1, 1]);
    const [sent, small, empty, range, large, ...late] = errors;
    expect(sent).toBeUndefined();
    expect(codes).toContain(large);
    expect(late).toEqual(['ERR_CONNECTION_CLOSED', 'ERR_CONNECTION_CLOSED']);
    // The kernel may have found room for these; the order is kept.
    const outcomes = [small, empty, range];
    const firstFailed = outcomes.findIndex((code) => code !== undefined);
    const failed = firstFailed < 0 ? [] : outcomes.slice(firstFailed);
    expect(failed).toEqual(failed.map(() => large));
  });

  test('by end: all is sent first', async () => {
    const { connection, fd } = await connectedFd({});
    const outcomes: unknown[][] = [];
    clog(connection);
    if (isCorked) connection.cork();
    connection.write('small', (...args) => outcomes.push(args));
    connection.write('', (...args) => outcomes.push(args));
    connection.end('last');
    let finished = false;
    await until(() => {
      readAll(fd);
      finished ||= outcomes.length === 2;
      return finished && connection.queuedBytes === 0;
    });
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    expect(outcomes).toEqual([[], []]);
  });
});

test('drain follows a false, also one given behind a cork or within a drain', async () => {
  const { connection, fd } = await connectedFd({ highWaterMark: 1 });
  let drains = 0;
  let falses = 0;
  const write = (): void => {
    clog(connection);
    falses += 1;
    expect(connection.write('more')).toBe(false);
  };
  connection.on('drain', () => {
    drains += 1;
    expect(connection.queuedBytes).toBe(0);
    if (falses < 5) write();
  });
  connection.cork();
  connection.cork();
  write();
  connection.uncork();
  expect(drains).toBe(0);
  connection.uncork();
  await until(() => {
    readAll(fd);
    return drains === 5;
  });
  expect(falses).toBe(5);
});

test('no drain after end: what follows is close', async () => {
  const { connection, fd } = await connectedFd({ highWaterMark: 1 });
  const log: string[] = [];
  connection.on('drain', () => log.push('drain'));
  connection.on('close', () => log.push('close'));
  clog(connection);
  connection.end('last');
  await until(() => {
    readAll(fd);
    return connection.queuedBytes === 0;
  });
  closeNow(fd);
  await until(() => connection.closed);
  expect(log).toEqual(['close']);
});

test('no drain after an end that the callback of the last write makes', async () => {
  const { connection, fd } = await connectedFd({ highWaterMark: 1, allowHalfOpen: true });
  clog(connection);
  const log: string[] = [];
  connection.on('drain', () => log.push('drain'));
  connection.write('last', () => {
    log.push('sent');
    connection.end();
  });
  const buffer = Buffer.allocUnsafe(1_000_000);
  let count = 1;
  await until(() => {
    do count = recv(fd, buffer, buffer.length, 0);
    while (count > 0);
    return count === 0;
  });
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
  expect(log).toEqual(['sent']);
});

test('a cork that a callback sets keeps what follows, until it is undone', async () => {
  const { connection, fd } = await connectedFd();
  clog(connection);
  let corkedBytes = -1;
  connection.write('first', () => {
    connection.cork();
    connection.write('second');
    corkedBytes = connection.queuedBytes;
  });
  await until(() => {
    readAll(fd);
    return corkedBytes >= 0;
  });
  const before = connection.bytesWritten;
  for (let turn = 0; turn < 10; turn += 1) {
    readAll(fd);
    await new Promise(setImmediate);
  }
  expect([corkedBytes, connection.queuedBytes, connection.bytesWritten - before]).toEqual([
    6, 6, 0,
  ]);
  connection.uncork();
  expect([connection.queuedBytes, connection.bytesWritten - before]).toEqual([0, 6]);
});

test('an uncork too many does nothing: the next cork counts', async () => {
  const { connection } = await connectedFd();
  connection.uncork();
  connection.cork();
  connection.write('corked');
  expect([connection.queuedBytes, connection.bytesWritten]).toEqual([6, 0]);
  connection.uncork();
  expect([connection.queuedBytes, connection.bytesWritten]).toEqual([0, 6]);
});

test('a connection that is about to be cut sends no part of what was too much', async () => {
  const { connection } = await connectedFd({ maxQueuedBytes: 10 });
  const outcomes: unknown[] = [];
  connection.cork();
  connection.write('0123456789', (error) => outcomes.push(error));
  expect(connection.writable).toBe(true);
  connection.write('!', (error) => outcomes.push(error));
  expect(connection.writable).toBe(false);
  connection.uncork();
  expect(connection.bytesWritten).toBe(0);
  await until(() => connection.closed);
  const error = expect.objectContaining({ code: 'ENOBUFS' });
  expect(outcomes).toEqual([error, error]);
});

test('end after a reset that was not noticed yet closes as the reset does', async () => {
  const { connection, fd } = await connectedFd();
  const closed = jest.fn();
  connection.on('close', closed);
  setsockopt(fd, SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
  closeNow(fd);
  // The socket is no more connected, and the loop has had no turn to say so.
  expect(() => connection.end()).not.toThrow();
  await until(() => closed.mock.calls.length > 0);
  expect(closed).toHaveBeenCalledTimes(1);
});

test('the queue is full at highWaterMark exactly, and one drain follows one refusal', async () => {
  const { connection } = await connectedFd({ highWaterMark: 10 });
  const onDrain = jest.fn();
  connection.on('drain', onDrain);
  const together = (...texts: string[]): boolean[] => {
    connection.cork();
    const flowing = texts.map((text) => connection.write(text));
    connection.uncork();
    expect(connection.queuedBytes).toBe(0);
    return flowing;
  };
  expect(together('123456789', '0')).toEqual([true, false]);
  expect(onDrain).toHaveBeenCalledTimes(1);
  expect(together('1234567890')).toEqual([false]);
  expect(onDrain).toHaveBeenCalledTimes(2);
  expect(together('123456789')).toEqual([true]);
  expect(onDrain).toHaveBeenCalledTimes(2);
});
