/**
 * A peer that reads slowly and steadily is not silent: neither for `setTimeout` of a stream nor for
 * `sweep` of a server, also where all that moves are bytes that the kernel holds. One that stops is.
 * The clock is ours and jumps; the sockets are the kernel's.
 */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { UnixServer } from '../../../src/net/server/unix-server';
import { undeliveredBytes } from '../../../src/net/socket/undelivered';
import { SO_SNDBUF, SOL_SOCKET } from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { setsockopt } from '../../../src/sys/socket';
import { destroyLater } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { next, until } from '../../support/until';

expectNoFdLeaks();

/** Longer than any test takes, so that only jumps count. */
const LIMIT_MS = 1_000_000;
const KERNEL_BYTES = 400 * 1024;

let skippedMs = 0;
beforeEach(() => {
  const now = performance.now.bind(performance);
  jest.spyOn(performance, 'now').mockImplementation(() => now() + skippedMs);
});
afterEach(() => jest.restoreAllMocks());

const KINDS: Record<string, { listen(): TcpServer | UnixServer; bytes: number }> = {
  // All of it fits into the kernel, which counts what the peer has not read.
  'bytes of the kernel': {
    listen: () => new UnixServer({ path: join(makeFolder(), 'socket') }),
    bytes: KERNEL_BYTES / 2,
  },
  'bytes of our queue': { listen: () => new TcpServer({ port: 0 }), bytes: 12 * 1024 * 1024 },
};

/** A connection with a client that reads when it is asked to. */
async function clogged(kind: string) {
  const { listen, bytes } = KINDS[kind] as (typeof KINDS)[string];
  const server = destroyLater(listen());
  const accepted = next(server, 'connection');
  const where = server instanceof TcpServer ? { port: server.port } : { path: server.path };
  const client: Socket = connect(where as { path: string });
  const [connection] = (await accepted) as [TcpConnection];
  unwrap(
    setsockopt(connection.fd, SOL_SOCKET, SO_SNDBUF, Int32Array.of(KERNEL_BYTES)),
    'setsockopt',
  );
  client.on('readable', () => {});
  const delivered = (): number => connection.bytesWritten - undeliveredBytes(connection.fd);
  /** Let the client read until the kernel knows. */
  const readSome = async (): Promise<void> => {
    const before = delivered();
    await until(() => {
      client.read(4_096);
      return delivered() > before;
    });
    // What has room now goes out, before the clock jumps.
    await until(() => !connection.canFlushNow());
  };
  return { server, connection, client, readSome, data: Buffer.alloc(bytes) };
}

/** Three quarters of the limit pass, time and again, and a little is read each time. */
async function steadily(readSome: () => Promise<void>, look: () => void): Promise<void> {
  for (let count = 0; count < 4; count += 1) {
    await readSome();
    skippedMs += LIMIT_MS * 0.75;
    look();
  }
}

describe.each(Object.keys(KINDS))('%s', (kind) => {
  test('sweep leaves a steady reader, and cuts it when it has stopped', async () => {
    const { server, connection, client, readSome, data } = await clogged(kind);
    connection.write(data);
    const counts: number[] = [];
    await steadily(readSome, () => counts.push(server.sweep(LIMIT_MS)));
    expect(counts).toEqual([0, 0, 0, 0]);
    const errors: string[] = [];
    connection.on('close', (error) => errors.push(error?.message ?? ''));
    for (let count = 0; count < 3 && !connection.closed; count += 1) {
      await until(() => connection.closed || !connection.canFlushNow());
      skippedMs += LIMIT_MS;
      server.sweep(LIMIT_MS);
    }
    expect(errors).toEqual([`read ETIMEDOUT: no bytes for ${LIMIT_MS} ms (sweep)`]);
    client.destroy();
  });

  test('setTimeout says nothing of a steady reader, and once when it has stopped', async () => {
    const { connection, client, readSome, data } = await clogged(kind);
    const stream = new FdDuplex(connection);
    let timeouts = 0;
    stream.setTimeout(LIMIT_MS, () => {
      timeouts += 1;
    });
    stream.write(data);
    // As the timer wheel does it when the time has come.
    await steadily(readSome, () => stream.onTimer());
    expect(timeouts).toBe(0);
    for (let count = 0; count < 5; count += 1) {
      await until(() => !connection.canFlushNow());
      skippedMs += LIMIT_MS;
      stream.onTimer();
    }
    expect([timeouts, stream.destroyed]).toEqual([1, false]);
    client.destroy();
    stream.on('error', () => {}).destroy();
  });
});
