/**
 * The end of a connection, and of an fd, has a turn of its own: what a handler of the bytes before it
 * does in a tick, a promise or an immediate comes first, as with node:net.
 */

import type { ConnectionHandler } from '../../../src/net/connection/connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { SHUT_WR } from '../../../src/sys/constants';
import { read, write } from '../../../src/sys/io';
import { shutdown } from '../../../src/sys/socket';
import { connectedFd } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeNow, pair } from '../../support/fds';
import { pipe } from '../../support/files';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const LATER: Record<string, (work: () => void) => void> = {
  'a tick': (work) => process.nextTick(work),
  'a promise': (work) => void Promise.resolve().then(work),
  'a chain of promises': async (work) => {
    for (let count = 0; count < 10; count += 1) await null;
    work();
  },
  'an immediate': (work) => void setImmediate(work),
};

const hello = Buffer.from('hello');
/** Bytes and the end, both in the kernel before anybody looks. */
function say(fd: number): void {
  write(fd, hello);
  shutdown(fd, SHUT_WR);
}
function received(fd: number): string {
  const bytes = Buffer.alloc(100);
  return bytes.toString('latin1', 0, Math.max(read(fd, bytes), 0));
}

describe.each(['level', 'edge'] as const)('%s-triggered', (trigger) => {
  for (const [name, later] of Object.entries(LATER)) {
    test(`an answer in ${name} reaches a client that has ended`, async () => {
      const { connection, fd } = await connectedFd({ trigger });
      connection.on('data', () => later(() => connection.write('answer')));
      say(fd);
      await next(connection, 'close');
      expect(received(fd)).toBe('answer');
    });

    test(`the same on a stream that is not half-open, in ${name}`, async () => {
      const { connection, fd } = await connectedFd({ trigger });
      const stream = new FdDuplex(connection, { allowHalfOpen: false });
      stream.on('data', () => later(() => stream.write('answer')));
      say(fd);
      await next(stream, 'close');
      expect(received(fd)).toBe('answer');
    });
  }

  test('a pause in between keeps the end, which comes once, after resume', async () => {
    const { connection, fd } = await connectedFd({ trigger });
    const log: string[] = [];
    connection.on('data', () => process.nextTick(() => connection.pause()));
    connection.on('end', () => log.push('end'));
    say(fd);
    await until(() => connection.paused);
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(log).toEqual([]);
    connection.resume();
    await next(connection, 'close');
    expect(log).toEqual(['end']);
  });

  test('who takes over in between is told of the end, and the one before is not', async () => {
    const { connection, fd } = await connectedFd({ trigger });
    const log: string[] = [];
    const handler: ConnectionHandler = {
      onData: () => {},
      onEnd: () => log.push('the new one'),
    };
    connection.on('data', () => process.nextTick(() => connection.setHandler(handler)));
    connection.on('end', () => log.push('the old one'));
    say(fd);
    await until(() => connection.closed);
    expect(log).toEqual(['the new one']);
  });

  test('a connection destroyed in between is told of no end', async () => {
    const { connection, fd } = await connectedFd({ trigger });
    const log: string[] = [];
    connection.on('data', () => process.nextTick(() => connection.destroy()));
    connection.on('end', () => log.push('end'));
    connection.on('close', () => log.push('close'));
    say(fd);
    await until(() => connection.closed);
    await new Promise(setImmediate);
    expect(log).toEqual(['close']);
  });

  test('an error behind bytes has a turn of its own too', async () => {
    const { connection, fd } = await connectedFd({ trigger, allowHalfOpen: true });
    const stream = new FdDuplex(connection);
    stream.on('error', () => {});
    // Unread bytes make the close a reset.
    connection.write('unread');
    write(fd, hello);
    closeNow(fd);
    const chunks: string[] = [];
    await expect(
      (async () => {
        for await (const chunk of stream) chunks.push(String(chunk));
      })(),
    ).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(chunks).toEqual(['hello']);
  });
});

test('of a pipe, and of a unix socket', async () => {
  const { reader, writer } = pipe();
  const [near, far] = pair();
  for (const [stream, peer] of [
    [new FdDuplex({ readFd: reader }), writer],
    [new FdDuplex(near, { allowHalfOpen: false }), far],
  ] as const) {
    const log: string[] = [];
    stream.on('data', () => setImmediate(() => log.push('immediate')));
    stream.on('end', () => log.push('end'));
    write(peer, hello);
    closeNow(peer);
    await next(stream, 'end');
    expect(log).toEqual(['immediate', 'end']);
    stream.destroy();
    await until(() => stream.closed);
  }
});
