/** What users of node:net expect of a connection, each with a test of its name. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as faces from '../../../src';
import { EventLoop } from '../../../src/loop/event-loop';
import { StreamConnection } from '../../../src/net/connection/connection';
import { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { UnixServer } from '../../../src/net/server/unix-server';
import { Pipe } from '../../../src/watch/stream/pipe';
import { ROOT } from '../../support/child';
import { client, receive } from '../../support/client';
import { connected } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { makeFolder } from '../../support/folder';
import { next, until } from '../../support/until';

expectNoFdLeaks();

/** As it comes from JavaScript, where no types hold anybody back. */
// biome-ignore lint/suspicious/noExplicitAny: the calls are wrong on purpose
type Untyped = any;

describe("socket.write('6869', 'hex', callback)", () => {
  test('sends the bytes that the encoding means, and calls the callback', async () => {
    const { connection, peer } = await connected();
    const done = new Promise((resolve) => connection.write('6869', 'hex', resolve));
    expect(String(await receive(peer, 2))).toBe('hi');
    expect(await done).toBeUndefined();
    connection.write('IQ', 'base64');
    connection.write('\u00fc', 'latin1');
    connection.write('\u00fc', 'UTF-8' as BufferEncoding);
    connection.write('.', null as never);
    connection.end('2e', 'hex');
    expect((await receive(peer, 6)).toString('latin1')).toBe('!\u00fc\u00c3\u00bc..');
  });

  test('sends them also while small writes are gathered, and in order', async () => {
    const { connection, peer } = await connected();
    connection.on('data', () => {
      connection.write('a');
      connection.write('62', 'hex');
      connection.write('63', 'hex', () => connection.write('65', 'hex'));
      connection.write('d');
    });
    peer.write('?');
    expect(String(await receive(peer, 5))).toBe('abcde');
  });

  test.each<[string, unknown[], string]>([
    ['an encoding that does not exist', ['hax'], 'ERR_UNKNOWN_ENCODING'],
    ['no encoding', [5, () => {}], 'ERR_INVALID_ARG_TYPE'],
    ['no callback', ['hex', 5], 'ERR_INVALID_ARG_TYPE'],
    ['two callbacks', [() => {}, () => {}], 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %s before anything is sent', async (_, args, code) => {
    const { connection, peer } = await connected();
    using pipe = new Pipe();
    for (const target of [connection, pipe.writer] as Untyped[]) {
      const refused = expect.objectContaining({ name: 'TypeError', code });
      expect(() => target.write('6869', ...args)).toThrow(refused);
      expect(target.writable).toBe(true);
      expect(target.bytesWritten + target.queuedBytes).toBe(0);
    }
    expect(() => (connection as Untyped).end('6869', ...args)).toThrow(TypeError);
    connection.end('honest');
    expect(String(await receive(peer, 6))).toBe('honest');
  });

  test('of a writer of a pipe too', async () => {
    using pipe = new Pipe();
    const chunk = next<[Buffer]>(pipe.reader, 'data');
    const done = new Promise((resolve) => pipe.writer.write('6869', 'hex', resolve));
    expect(await done).toBeUndefined();
    expect(String((await chunk)[0])).toBe('hi');
  });
});

test('counters are read-only: an assignment throws, and changes nothing', async () => {
  const { connection } = await connected();
  using pipe = new Pipe();
  const names = ['bytesRead', 'bytesWritten', 'lastActivity', 'queuedBytes', 'fd', 'closed'];
  const targets: [Untyped, string[]][] = [
    [connection, names],
    [new FdDuplex(connection), names.slice(0, 2)],
    [pipe.writer, ['bytesWritten', 'lastWrite', 'queuedBytes']],
  ];
  for (const [target, each] of targets) {
    for (const name of each) {
      const before = target[name];
      expect(() => {
        target[name] = 5;
      }).toThrow(TypeError);
      expect(target[name]).toBe(before);
    }
  }
});

describe('addresses have the shape of net.Socket', () => {
  const NAMES = [
    'localAddress',
    'localPort',
    'localFamily',
    'remoteAddress',
    'remotePort',
    'remoteFamily',
  ] as const;
  const addressesOf = (from: Untyped): unknown[] => NAMES.map((name) => from[name]);

  test('of a connection and of an FdDuplex alike', async () => {
    const { connection, peer, server } = await connected();
    const { port } = server;
    const seen = ['127.0.0.1', port, 'IPv4', '127.0.0.1', peer.localPort, 'IPv4'];
    expect(addressesOf(connection)).toEqual(seen);
    expect(connection.address()).toEqual({ address: '127.0.0.1', port, family: 'IPv4' });
    const stream = new FdDuplex(connection);
    expect(addressesOf(stream)).toEqual(seen);
    expect(stream.address()).toEqual(connection.address());
    // As node:net has them at the other end.
    const here = [peer.remoteAddress, peer.remotePort, peer.remoteFamily];
    expect(addressesOf(stream).slice(0, 3)).toEqual(here);
    stream.destroy();
    // Those of the peer stay known once they were asked for.
    const after = [undefined, undefined, undefined, ...seen.slice(3)];
    expect([addressesOf(connection), addressesOf(stream)]).toEqual([after, after]);
    expect([connection.address(), stream.address()]).toEqual([{}, {}]);
  });

  test('of a unix socket all six are undefined, and address() is empty', async () => {
    const path = join(makeFolder(), 'socket');
    using server = new UnixServer({ path });
    const accepted = next<[StreamConnection]>(server, 'connection');
    await client(0, { path } as never);
    const [connection] = await accepted;
    const none = NAMES.map(() => undefined);
    expect(addressesOf(connection)).toEqual(none);
    expect(connection.address()).toEqual({});
    const stream = new FdDuplex(connection);
    expect(addressesOf(stream)).toEqual(none);
    expect(stream.address()).toEqual({});
  });
});

test('the class has its old name too, as a value and as a type', async () => {
  const { connection } = await connected();
  const old: TcpConnection = connection;
  expect(old).toBeInstanceOf(TcpConnection);
  expect(TcpConnection).toBe(StreamConnection);
  expect(faces.TcpConnection).toBe(faces.StreamConnection);
});

test('members for the loop are marked @internal', () => {
  const text = ['connected-socket', 'connection']
    .map((name) => readFileSync(join(ROOT, `src/net/connection/${name}.ts`), 'utf8'))
    .join('\n');
  const names = [
    ...['onEvents', 'onRevoked', 'onTimer', 'onReceived', 'writeLent', 'slot', 'waitingSince'],
    ...['hasUnread', 'canFlushNow', 'timerIndex'],
  ];
  for (const name of names) {
    expect(text).toMatch(new RegExp(`@internal[^/]*\\*/\\s+(abstract |get )?${name}\\b`));
  }
});

describe.each(['level', 'edge'] as const)(
  'a callback that corks and writes, %s-triggered',
  (trigger) => {
    test('is called once for each write, and nothing is left in the queue', async () => {
      const { connection, peer } = await connected({ trigger, writeQuantumBytes: 3 });
      let left = 200;
      const again = (): void => {
        left -= 1;
        if (left === 0) return connection.end();
        connection.cork();
        connection.write('a');
        connection.write('b', again);
        connection.uncork();
      };
      connection.cork();
      connection.write('ab', again);
      connection.uncork();
      expect(String(await receive(peer, 400))).toBe('ab'.repeat(200));
      await until(() => connection.closed);
      expect(left).toBe(0);
    });
  },
);

test('a callback that destroys: those before it succeed, those behind it fail, in order', async () => {
  using loop = new EventLoop();
  const { connection } = await connected({ loop });
  const log: string[] = [];
  const note = (name: string) => (error?: Error) =>
    void log.push(`${name} ${(error as { code?: string } | undefined)?.code ?? 'sent'}`);
  connection.on('close', () => log.push('close'));
  connection.cork();
  connection.write('a', note('a'));
  connection.write('b', () => {
    log.push('b');
    connection.destroy();
  });
  connection.write('c', note('c'));
  connection.uncork();
  connection.write('d', note('d'));
  await until(() => log.length === 5);
  // All three were sent by one call, before the first callback.
  expect(log).toEqual(['a sent', 'b', 'c sent', 'close', 'd ERR_CONNECTION_CLOSED']);
});
