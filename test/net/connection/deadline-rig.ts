/** Connections whose end is noted, and their peers. */
import { defaultLoop } from '../../../src/loop/default-loop';
import type { EventLoop } from '../../../src/loop/event-loop';
import {
  type ConnectionOptions,
  connectionOptionsSchema,
  connectionSettings,
} from '../../../src/net/connection/options';
import { TcpConnection } from '../../../src/net/connection/tcp-connection';
import * as constants from '../../../src/sys/constants';
import { unwrap } from '../../../src/sys/errno';
import { write } from '../../../src/sys/io';
import { socketpair } from '../../../src/sys/socket';
import { closeLater } from '../../support/fds';
import { until } from '../../support/until';

const { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;
export let loop: EventLoop;
/** The connections that were closed, in that order, and why. */
export let ends: { connection: TcpConnection; error: Error | undefined; at: number }[];
const open = new Set<TcpConnection>();

beforeEach(() => {
  loop = defaultLoop();
  ends = [];
});

afterEach(() => {
  for (const connection of open) connection.destroy();
});

/** One end of a pair as a connection; the other is the fd of its peer. */
export function opened(options: ConnectionOptions<TcpConnection> = {}): {
  connection: TcpConnection;
  peer: number;
} {
  const fds = new Int32Array(2);
  unwrap(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 'socketpair');
  const owner = { onConnectionClose: (closed: TcpConnection) => void open.delete(closed) };
  const checked = connectionOptionsSchema.parse(options);
  const settings = connectionSettings<TcpConnection>(checked, { loop, owner });
  const connection = new TcpConnection(fds[0] as number, settings);
  open.add(connection);
  connection.on('close', (error) => ends.push({ connection, error, at: performance.now() }));
  return { connection, peer: closeLater(fds[1] as number) };
}

/** Wait until `connection` is closed, and return the message of why. */
export async function endOf(connection: TcpConnection): Promise<string> {
  await until(() => connection.closed, 100_000);
  const error = ends.find((end) => end.connection === connection)?.error;
  expect(error).toMatchObject({ name: 'SystemError', code: 'ETIMEDOUT', errno: -110 });
  return error?.message ?? '';
}

/** More than the kernel takes. */
export function clog(connection: TcpConnection): void {
  while (connection.queuedBytes === 0) connection.write(Buffer.alloc(256 * 1024));
}

/** Send `count` bytes as the peer. */
export function send(peer: number, count: number): void {
  expect(write(peer, Buffer.alloc(count, 'x'))).toBe(count);
}
