/** Writes that were made to break: memory that is taken away or lent, and queues of nothing. */

import { MAX_QUEUED_WRITES } from '../../../src/bytes/write-queue';
import { EventLoop } from '../../../src/loop/event-loop';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { O_CLOEXEC, O_NONBLOCK } from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { pipe2 } from '../../../src/sys/fds';
import { recv } from '../../../src/sys/socket';
import { FdWriter } from '../../../src/watch/stream/fd-writer';
import { client, receive } from '../../support/client';
import { clog, connected, connectedFd, serve } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { replace } from '../../support/fds';
import { next, until } from '../../support/until';

expectNoFdLeaks();

type Coded = Error & { code: string };

/** Of which the memory can be made shorter. */
function resizable(length: number): { view: Uint8Array; resize: (length: number) => void } {
  const options = { maxByteLength: length * 2 };
  const memory = Reflect.construct(ArrayBuffer, [length, options]) as ArrayBuffer & {
    resize(length: number): void;
  };
  return { view: new Uint8Array(memory).fill(66), resize: (to) => memory.resize(to) };
}

function detach({ buffer }: Uint8Array): void {
  structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
}

/** Both ends are for those who close them. */
function pipe(): { reader: number; writer: number } {
  const fds = new Int32Array(2);
  unwrap(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 'pipe2');
  return { reader: fds[0] as number, writer: fds[1] as number };
}

/** All that `fd` still has, until it ends or is reset. */
async function rest(fd: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const buffer = Buffer.alloc(256 * 1024);
  await until(() => {
    let count = recv(fd, buffer, buffer.length, 0);
    for (; count > 0; count = recv(fd, buffer, buffer.length, 0)) {
      chunks.push(Buffer.from(buffer.subarray(0, count)));
    }
    return count === 0 || count === -104;
  });
  return Buffer.concat(chunks);
}

describe.each([100, 10_000])('%i bytes that wait', (length) => {
  test.each(['detached', 'shrunk'])('are %s: nothing else goes in their place', async (kind) => {
    const { connection, fd } = await connectedFd();
    const written = clog(connection);
    const { view, resize } = resizable(length);
    const outcomes: (string | undefined)[] = [];
    const note = (error?: Error): number => outcomes.push((error as Coded | undefined)?.code);
    connection.write(view, note);
    connection.write(Buffer.alloc(8_000, 'C'), note);
    if (kind === 'shrunk') resize(10);
    else detach(view);
    const closed = next<[Coded]>(connection, 'close');
    const received = await rest(fd);
    expect((await closed)[0].code).toBe('ERR_BYTES_LOST');
    expect(outcomes).toEqual(['ERR_BYTES_LOST', 'ERR_BYTES_LOST']);
    expect(received.length).toBeLessThanOrEqual(written);
    expect(received.every((byte) => byte === 0x78)).toBe(true);
  });

  test('have grown with their memory: what was written is sent', async () => {
    const { connection, fd } = await connectedFd();
    const written = clog(connection);
    const { view, resize } = resizable(length);
    connection.write(view);
    resize(length * 2);
    connection.end('the end');
    const received = await rest(fd);
    expect(received.subarray(written)).toEqual(
      Buffer.concat([Buffer.alloc(length, 66), Buffer.from('the end')]),
    );
  });
});

test('gathered bytes that are detached before they go', async () => {
  const { connection, peer } = await connected();
  const closed = next<[Coded]>(connection, 'close');
  connection.on('data', () => {
    const bytes = new Uint8Array(100);
    connection.write(bytes);
    detach(bytes);
    connection.write('more');
  });
  peer.on('error', () => {});
  peer.write('go');
  expect((await closed)[0].code).toBe('ERR_BYTES_LOST');
});

test('the view of one loop, queued on a connection of another, is copied', async () => {
  const loop = new EventLoop();
  const { connection: slow, fd } = await connectedFd();
  const written = clog(slow);
  const server = serve({ loop });
  let letters = '';
  server.on('connection', (from) => {
    from.on('data', (chunk) => {
      letters += String(chunk);
      if (letters === 'A') slow.end(chunk);
    });
  });
  (await client(server.port)).write('A');
  await until(() => letters === 'A');
  (await client(server.port)).write('Z');
  await until(() => letters === 'AZ');
  expect(String((await rest(fd)).subarray(written))).toBe('A');
  server.destroy();
  loop.close();
});

test('the view of a connection, queued on the writer of a pipe, is copied', async () => {
  const { reader, writer } = pipe();
  const out = new FdWriter(writer);
  while (out.queuedBytes === 0) out.write(Buffer.alloc(4_096, '.'));
  const server = serve();
  let letters = '';
  server.on('connection', (from) => {
    from.on('data', (chunk) => {
      letters += String(chunk);
      if (letters === 'A') out.end(chunk);
    });
  });
  (await client(server.port)).write('A');
  await until(() => letters === 'A');
  (await client(server.port)).write('Z');
  await until(() => letters === 'AZ');
  const chunks: Buffer[] = [];
  for await (const chunk of new FdDuplex({ readFd: reader })) chunks.push(chunk as Buffer);
  expect(String(Buffer.concat(chunks)).replaceAll('.', '')).toBe('A');
});

test('bytes that wait for a pipe are detached: the writer fails, and writes nothing else', async () => {
  const { reader, writer } = pipe();
  const out = new FdWriter(writer);
  const failed = next<[Coded]>(out, 'error');
  while (out.queuedBytes === 0) out.write(Buffer.alloc(4_096, '.'));
  const bytes = new Uint8Array(100);
  out.write(bytes);
  out.write('more');
  detach(bytes);
  const chunks: Buffer[] = [];
  for await (const chunk of new FdDuplex({ readFd: reader })) chunks.push(chunk as Buffer);
  expect((await failed)[0].code).toBe('ERR_BYTES_LOST');
  expect(String(Buffer.concat(chunks)).replaceAll('.', '')).toBe('');
});

test.each([0, 1])('writes of %i bytes may wait, up to a limit', async (length) => {
  const { connection } = await connectedFd();
  clog(connection);
  const closed = next<[Coded]>(connection, 'close');
  const before = connection.queuedBytes;
  let settled = 0;
  // The queue has one write already, of which the kernel has taken a part.
  for (let count = 1; count < MAX_QUEUED_WRITES; count += 1) {
    connection.write(new Uint8Array(length), () => {
      settled += 1;
    });
  }
  expect(connection.writable).toBe(true);
  expect(connection.queuedBytes).toBe(before + (MAX_QUEUED_WRITES - 1) * length);
  expect(connection.write(new Uint8Array(length))).toBe(false);
  expect((await closed)[0].code).toBe('ENOBUFS');
  expect(settled).toBe(MAX_QUEUED_WRITES - 1);
  expect(connection.queuedBytes).toBe(0);
});

test('a stream of more chunks than may wait on its connection', async () => {
  const { connection, peer } = await connected();
  const stream = new FdDuplex(connection);
  clog(connection);
  const before = connection.bytesWritten + connection.queuedBytes;
  for (let count = 0; count < MAX_QUEUED_WRITES + 10; count += 1) stream.write('x');
  stream.end();
  const received = await receive(peer, before + MAX_QUEUED_WRITES + 10);
  expect(received.length).toBe(before + MAX_QUEUED_WRITES + 10);
  expect(stream.errored).toBeNull();
  stream.destroy();
});

test('what is left of a connection whose fd was closed behind it is not sent to the next one', async () => {
  const server = serve({ allowHalfOpen: true });
  const accepted: TcpConnection[] = [];
  server.on('connection', (connection) => {
    accepted.push(connection);
    connection.on('data', (chunk) => connection.write(chunk));
  });
  const [bad, good] = [await client(server.port), await client(server.port)];
  await until(() => accepted.length === 2);
  const [broken] = accepted as [TcpConnection];
  const uncaught = jest.spyOn(server.loop, 'uncaught').mockImplementation(() => {});
  broken.on('end', () => {
    broken.write('secret');
    replace(broken.fd);
  });
  bad.end();
  await until(() => uncaught.mock.calls.length > 0);
  good.write('hello');
  expect(String(await receive(good, 5))).toBe('hello');
  uncaught.mockRestore();
  broken.destroy();
});
