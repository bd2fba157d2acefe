/** When a write is tried, and when EPOLLOUT is watched for: one behaviour, other costs. */
import { randomBytes } from 'node:crypto';
import { EventLoop } from '../../../src/loop/event-loop';
import type { WriteStrategy } from '../../../src/net/connection/options';
import { EPOLLET, EPOLLIN, EPOLLOUT } from '../../../src/sys/constants';
import { receive, receiveAll } from '../../support/client';
import { clog, connected, serve } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { watchedMask } from '../../support/fdinfo';
import { memoryFile } from '../../support/files';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const loops: EventLoop[] = [];
afterEach(() => {
  for (const loop of loops.splice(0)) loop.close();
});

function ownLoop(): EventLoop {
  const loop = new EventLoop();
  loops.push(loop);
  return loop;
}

interface Way {
  trigger: 'level' | 'edge';
  writeStrategy: WriteStrategy;
}

const ways: Way[] = [
  { trigger: 'level', writeStrategy: 'always' },
  { trigger: 'level', writeStrategy: 'on-demand' },
  { trigger: 'level', writeStrategy: 'send-first' },
  { trigger: 'edge', writeStrategy: 'send-first' },
];

describe.each(ways)('$trigger-triggered, $writeStrategy', (way) => {
  test('bytes, heads with bodies and files arrive in order, and then the FIN', async () => {
    const { connection, peer } = await connected(way);
    const [large, file] = [randomBytes(3_000_000), memoryFile('of a file')];
    connection.on('data', () => {
      connection.write('one ');
      connection.write('two ');
      connection.cork();
      connection.write('three ');
      connection.sendFile(file, { offset: 0, length: 9 });
      connection.uncork();
      connection.write(large);
      connection.writePair(Buffer.from('head '), Buffer.from('body '));
      setImmediate(() => connection.end('end'));
    });
    peer.write('go');
    const received = await receiveAll(peer);
    const expected = ['one two three of a file', large, 'head body end'];
    expect(sha(received)).toBe(sha(Buffer.concat(expected.map((part) => Buffer.from(part)))));
  });

  test('a view of the read buffer is sent as it was', async () => {
    // Several calls of recv(2) in one turn: each overwrites the view before.
    const { connection, peer } = await connected({ ...way, readQuantumBytes: 1024 * 1024 });
    connection.on('data', (chunk) => connection.write(chunk));
    const sent = randomBytes(2_000_000);
    peer.write(sent);
    expect(sha(await receive(peer, sent.length))).toBe(sha(sent));
  });

  test('a paused connection sends what is written then', async () => {
    const { connection, peer } = await connected(way);
    connection.pause();
    for (const text of ['first', 'second', 'third']) {
      connection.write(text);
      expect((await receive(peer, text.length)).toString()).toBe(text);
    }
    const sent = clog(connection);
    await receive(peer, sent);
    connection.write('last');
    expect((await receive(peer, 4)).toString()).toBe('last');
  });

  test('a callback is called once, and drain follows a false', async () => {
    const { connection, peer } = await connected({ ...way, highWaterMark: 10 });
    const outcomes: unknown[][] = [];
    connection.write('x', (...args) => outcomes.push(args));
    expect(outcomes).toEqual([]);
    await until(() => outcomes.length === 1);
    const sent = clog(connection);
    const drained = next(connection, 'drain');
    expect(connection.write('0123456789', (...args) => outcomes.push(args))).toBe(false);
    await receive(peer, sent + 11);
    await drained;
    await until(() => outcomes.length === 2);
    expect(outcomes).toEqual([[], []]);
  });

  test('what the kernel is asked to watch for', async () => {
    const loop = ownLoop();
    const { connection, peer } = await connected({ ...way, loop });
    const masks = (): number => (watchedMask(loop, connection.fd) ?? 0) & (EPOLLOUT | EPOLLIN);
    const isAlways = way.trigger === 'edge' || way.writeStrategy === 'always';
    const idle = EPOLLIN | (isAlways ? EPOLLOUT : 0);
    expect(masks()).toBe(idle);
    expect(((watchedMask(loop, connection.fd) ?? 0) & EPOLLET) !== 0).toBe(way.trigger === 'edge');
    const before = loop.stats().controls;
    const small = next(peer, 'data');
    connection.write('small');
    expect(masks()).toBe(way.writeStrategy === 'on-demand' ? EPOLLIN | EPOLLOUT : idle);
    await small;
    await until(() => connection.queuedBytes === 0);
    const sent = clog(connection);
    expect(masks()).toBe(EPOLLIN | EPOLLOUT);
    await receive(peer, sent);
    await until(() => connection.queuedBytes === 0);
    expect(masks()).toBe(idle);
    const calls = { always: 0, 'on-demand': 4, 'send-first': way.trigger === 'edge' ? 0 : 2 };
    expect(loop.stats().controls - before).toBe(calls[way.writeStrategy]);
  });
});

test('an edge-triggered connection has no use for the other two', () => {
  for (const writeStrategy of ['always', 'on-demand'] as const) {
    expect(() => serve({ trigger: 'edge', writeStrategy })).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringMatching(/"writeStrategy".*'edge'.*Received/),
      }),
    );
  }
  expect(() => serve({ writeStrategy: 'later' as never })).toThrow(/"writeStrategy"/);
});
