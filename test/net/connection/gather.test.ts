/** Queues of many chunks: several go with one call, and nothing is lost between them. */
import { createHash, type Hash, randomBytes } from 'node:crypto';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { SO_SNDBUF, SOL_SOCKET } from '../../../src/sys/constants';
import { recv, setsockopt } from '../../../src/sys/socket';
import * as vector from '../../../src/sys/vector';
import { connectedFd } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { until } from '../../support/until';

expectNoFdLeaks();

const { IOV_MAX } = vector;
afterEach(() => {
  jest.restoreAllMocks();
});

/** A small send buffer: the kernel takes little at a time, and mostly half a chunk. */
function makeSlow(connection: TcpConnection): void {
  setsockopt(connection.fd, SOL_SOCKET, SO_SNDBUF, Int32Array.of(30_000));
}

/** Writes, and hashes what it writes. */
class Source {
  readonly hash: Hash = createHash('sha256');
  readonly #connection: TcpConnection;
  bytes = 0;
  settled = 0;
  order: number[] = [];

  constructor(connection: TcpConnection) {
    this.#connection = connection;
  }

  write(chunk: Uint8Array, after?: () => void): void {
    this.hash.update(chunk);
    this.bytes += chunk.byteLength;
    const number = this.#written;
    this.#written += 1;
    this.#connection.write(chunk, (error) => {
      if (error !== undefined) throw error;
      this.order.push(number);
      this.settled += 1;
      after?.();
    });
  }

  #written = 0;

  get written(): number {
    return this.#written;
  }
}

/** Read all of it, about `step` bytes each turn. */
async function readSlowly(fd: number, source: Source, step: number): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(step);
  let received = 0;
  await until(() => {
    let count = recv(fd, buffer, step, 0);
    for (let left = step; count > 0 && left > 0; count = recv(fd, buffer, step, 0)) {
      hash.update(buffer.subarray(0, count));
      received += count;
      left -= count;
    }
    if (count > 0) {
      hash.update(buffer.subarray(0, count));
      received += count;
    }
    return received >= source.bytes && source.settled === source.written;
  }, 200_000);
  expect(received).toBe(source.bytes);
  return hash.digest('hex');
}

describe.each(['level', 'edge'] as const)('%s-triggered', (trigger) => {
  test('more chunks than one call takes, of all sizes, to a reader that is slow', async () => {
    const { connection, fd } = await connectedFd({ trigger });
    makeSlow(connection);
    const calls = jest.spyOn(vector, 'writev');
    const source = new Source(connection);
    const sizes = [0, 1, 100, 4_095, 4_096, 5_000, 17];
    const random = randomBytes(100_000);
    connection.cork();
    for (let index = 0; index < 3 * IOV_MAX; index += 1) {
      const start = (index * 7) % 50_000;
      const size = sizes[index % sizes.length] as number;
      source.write(random.subarray(start, start + size));
    }
    connection.uncork();
    const received = await readSlowly(fd, source, 100_003);
    expect(received).toBe(source.hash.digest('hex'));
    expect(source.order).toEqual(Array.from({ length: 3 * IOV_MAX }, (_, index) => index));
    expect(calls.mock.calls.some(([, , count]) => (count as number) > 10)).toBe(true);
  }, 210_000);

  test('many chunks that are sent with one call', async () => {
    const options = { trigger, writeQuantumBytes: 2 ** 30 };
    const { connection, fd } = await connectedFd(options);
    const calls = jest.spyOn(vector, 'writev');
    const source = new Source(connection);
    connection.cork();
    for (let index = 0; index < 2 * IOV_MAX; index += 1) {
      source.write(Buffer.alloc(4_096, index));
    }
    connection.uncork();
    expect(await readSlowly(fd, source, 1_000_000)).toBe(source.hash.digest('hex'));
    const counts = calls.mock.calls.map(([, , count]) => count as number);
    expect(Math.max(...counts)).toBeGreaterThan(IOV_MAX - 3);
    expect(Math.max(...counts)).toBeLessThanOrEqual(IOV_MAX);
  }, 210_000);

  test('writes made by callbacks, by drain, and between corks keep their order', async () => {
    const { connection, fd } = await connectedFd({ trigger, highWaterMark: 1 });
    makeSlow(connection);
    const source = new Source(connection);
    let drains = 0;
    let nested = 0;
    const nest = (depth: number): void => {
      nested += 1;
      connection.cork();
      source.write(randomBytes(10 + depth), depth > 0 ? () => nest(depth - 1) : undefined);
      source.write(randomBytes(5_000));
      // Sends from inside a callback of what is being sent.
      connection.uncork();
    };
    connection.on('drain', () => {
      drains += 1;
      if (drains < 4) for (let index = 0; index < 50; index += 1) source.write(randomBytes(9_000));
    });
    for (let index = 0; index < 600; index += 1) {
      source.write(randomBytes(8_000), index % 10 === 0 ? () => nest(3) : undefined);
    }
    await until(() => connection.queuedBytes > 0);
    expect(await readSlowly(fd, source, 50_001)).toBe(source.hash.digest('hex'));
    expect(drains).toBeGreaterThan(0);
    expect(nested).toBe(240);
    // Each callback once.
    expect(new Set(source.order).size).toBe(source.written);
  }, 210_000);
});

test('twenty thousand writes, each by the callback of the one before, overflow no stack', async () => {
  const { connection, fd } = await connectedFd();
  const source = new Source(connection);
  let left = 20_000;
  const again = (): void => {
    left -= 1;
    connection.cork();
    source.write(Buffer.from('x'), left > 0 ? again : undefined);
    connection.uncork();
  };
  again();
  expect(await readSlowly(fd, source, 100_000)).toBe(source.hash.digest('hex'));
}, 60_000);
