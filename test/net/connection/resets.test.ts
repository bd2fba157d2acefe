/** A reset by the peer, in every state of a connection. */
import { randomBytes } from 'node:crypto';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { SHUT_WR, SO_LINGER, SOL_SOCKET } from '../../../src/sys/constants';
import { write } from '../../../src/sys/io';
import { setsockopt, shutdown } from '../../../src/sys/socket';
import { clog, connectedFd } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeNow } from '../../support/fds';
import { memoryFile } from '../../support/files';
import { next, until } from '../../support/until';
import { record, someTurns } from './reading-rig';

expectNoFdLeaks();

/** Close so that the other side is reset. */
function reset(fd: number): void {
  setsockopt(fd, SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
  closeNow(fd);
}

describe.each(['level', 'edge'] as const)('%s-triggered', (trigger) => {
  type Prepare = (connection: TcpConnection, fd: number) => void | Promise<void>;

  const RESET = ['error ECONNRESET', 'close ECONNRESET'];

  const states: [state: string, prepare: Prepare, log: string[]][] = [
    ['idle', () => {}, RESET],
    ['reading', (_, fd) => void write(fd, Buffer.from('x')), ['data x', ...RESET]],
    ['paused', (connection) => connection.pause(), RESET],
    [
      'paused with bytes unread',
      (connection, fd) => {
        connection.pause();
        write(fd, Buffer.from('unread'));
      },
      RESET,
    ],
    ['queueing', (connection) => void clog(connection), RESET],
    [
      'paused and queueing',
      (connection) => {
        connection.pause();
        clog(connection);
      },
      RESET,
    ],
    [
      'corked',
      (connection) => {
        connection.cork();
        connection.write('corked');
      },
      RESET,
    ],
    ['ended by us', (connection) => connection.end(), RESET],
    [
      'ended by us behind a queue',
      (connection) => {
        clog(connection);
        connection.end('last');
      },
      RESET,
    ],
    [
      'half closed by the peer',
      async (connection, fd) => {
        shutdown(fd, SHUT_WR);
        await next(connection, 'end');
      },
      // The kernel's word for a reset behind a FIN.
      ['end', 'error EPIPE', 'close EPIPE'],
    ],
    [
      'half closed by the peer, with a queue',
      async (connection, fd) => {
        shutdown(fd, SHUT_WR);
        await next(connection, 'end');
        clog(connection);
      },
      ['end', 'error EPIPE', 'close EPIPE'],
    ],
    [
      'sending a file',
      (connection) =>
        void connection.sendFile(memoryFile('', 2 ** 26), { offset: 0, length: 2 ** 26 }),
      RESET,
    ],
  ];

  test.each(states)(
    'a reset while %s is told once, with its code',
    async (_, prepare, expected) => {
      const { connection, fd } = await connectedFd({ trigger, allowHalfOpen: true });
      const log = record(connection);
      await prepare(connection, fd);
      const outcomes: unknown[] = [];
      const hasQueue = connection.queuedBytes + connection.queuedFileBytes > 0;
      if (hasQueue && connection.writable) connection.write('!', (error) => outcomes.push(error));
      const count = outcomes.length;
      reset(fd);
      await until(() => connection.closed);
      await someTurns();
      // A write that meets the reset first is told EPIPE or ECONNRESET, as the kernel has it.
      const codes = log.map((line) => (hasQueue ? line.replace('EPIPE', 'ECONNRESET') : line));
      const wanted = expected.map((line) =>
        hasQueue ? line.replace('EPIPE', 'ECONNRESET') : line,
      );
      expect(codes).toEqual(wanted);
      expect(count).toBe(0);
      expect(outcomes.every((error) => error instanceof Error)).toBe(true);
    },
  );

  test('who closes is a reset if our answer came before, and a FIN and then EPIPE if it came after', async () => {
    const read = await connectedFd({ trigger, allowHalfOpen: true });
    const early = record(read.connection);
    // It is in the peer's buffer when this is done, and nobody has read it.
    read.connection.write('answer');
    closeNow(read.fd);
    await until(() => read.connection.closed);
    expect(early).toEqual(RESET);
    const gone = await connectedFd({ trigger, allowHalfOpen: true });
    const late = record(gone.connection);
    closeNow(gone.fd);
    gone.connection.write('answer');
    await until(() => gone.connection.closed);
    expect(late).toEqual(['end', 'error EPIPE', 'close EPIPE']);
  });

  test('bytes that came before a reset are delivered before it', async () => {
    const { connection, fd } = await connectedFd({ trigger });
    let received = 0;
    connection.on('data', (chunk) => {
      received += chunk.length;
    });
    const closed = next<[NodeJS.ErrnoException]>(connection, 'close');
    const sent = write(fd, randomBytes(300_000));
    // All of it has arrived: loopback delivers within the call, up to the receive buffer.
    await until(() => received === sent);
    expect(write(fd, Buffer.from('last words'))).toBe(10);
    reset(fd);
    expect((await closed)[0].code).toBe('ECONNRESET');
    expect(received).toBe(sent + 10);
  });
});
