import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { serveHttp } from '../../../src/http/server/serve-http';
import { EventLoop } from '../../../src/loop/event-loop';
import { UnixServer, type UnixServerOptions } from '../../../src/net/server/unix-server';
import { peerCredentials } from '../../../src/net/socket/fd-passing';
import * as c from '../../../src/sys/constants';
import { connect, socket } from '../../../src/sys/socket';
import { encodeUnixAddress } from '../../../src/sys/unix-address';
import { ROOT } from '../../support/child';
import { client, receive, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater, put, take } from '../../support/fds';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next, until } from '../../support/until';

expectNoFdLeaks();

const servers: UnixServer[] = [];
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-'));
  path = join(folder, 'server');
});

afterEach(() => {
  for (const server of servers.splice(0)) server.destroy();
  rmSync(folder, { recursive: true });
});

function serve(options: Partial<UnixServerOptions> = {}): UnixServer {
  const server = new UnixServer({ path, ...options });
  servers.push(server);
  server.on('connection', (connection) => {
    connection.on('data', (chunk) => connection.write(chunk));
  });
  return server;
}

test('serves clients of node:net, who are known', async () => {
  const server = serve();
  expect([server.path, server.listening]).toEqual([path, true]);
  const connected = next(server, 'connection');
  const peer = await client(0, { path } as never);
  await connected;
  const sent = Buffer.alloc(1_000_000, 'echo');
  peer.write(sent);
  expect((await receive(peer, sent.length)).equals(sent)).toBe(true);
  const [connection] = server.connections;
  expect(peerCredentials(connection?.fd as number)?.pid).toBe(process.pid);
  expect([connection?.remoteAddress, connection?.localAddress]).toEqual([undefined, undefined]);
  peer.end();
  await until(() => server.connections.size === 0);
});

test('closing removes the file at once, and lets the open connections end', async () => {
  const server = serve();
  const peer = await client(0, { path } as never);
  await until(() => server.connections.size === 1);
  server.close();
  expect(existsSync(path)).toBe(false);
  peer.write('still here');
  expect((await receive(peer, 10)).toString()).toBe('still here');
  const closed = next(server, 'close');
  peer.end();
  await closed;
  expect(serve().listening).toBe(true);
});

test('a path that is taken is named, and what is there stays', () => {
  serve();
  expect(() => serve()).toThrow(
    expect.objectContaining({
      code: 'EADDRINUSE',
      syscall: 'bind',
      address: path,
      message: `bind EADDRINUSE: address already in use ${path}`,
    }),
  );
  writeFileSync(`${path}-file`, 'no socket');
  expect(() => serve({ path: `${path}-file` })).toThrow(/EADDRINUSE/);
  expect(existsSync(path) && existsSync(`${path}-file`)).toBe(true);
  expect(() => serve({ path: '/no/such/folder/socket' })).toThrow(/ENOENT.*\/no\/such\/folder/);
  expect(() => serve({ path: 'x'.repeat(108) })).toThrow(RangeError);
  expect(() => serve({ path: '' })).toThrow(/option "path" of UnixServer/);
  expect(() => serve({ port: 80 } as never)).toThrow(/options of UnixServer.*"port"/);
});

test('a loop that is closed leaves no file', () => {
  const loop = new EventLoop();
  loop.close();
  expect(() => serve({ loop })).toThrow('the event loop is closed');
  expect(existsSync(path)).toBe(false);
});

test.each(['level', 'edge', 'oneshot'] as const)(
  'an abstract name, accepted by %s',
  async (acceptTrigger) => {
    const name = `\0epoll-ffi-server-${process.pid}-${acceptTrigger}`;
    const server = serve({ path: name, acceptTrigger });
    const peers = [0, 1, 2].map(() => {
      const fd = closeLater(socket(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_NONBLOCK, 0));
      expect(connect(fd, encodeUnixAddress({ path: name }))).toBe(0);
      return fd;
    });
    for (const fd of peers) put(fd, 'hello');
    await until(() => server.connections.size === 3);
    for (const fd of peers) {
      let answer = '';
      await until(() => {
        answer += take(fd);
        return answer !== '';
      });
      expect(answer).toBe('hello');
    }
  },
);

test('HTTP over a unix socket', async () => {
  const server = new UnixServer({ path });
  servers.push(server);
  serveHttp(server, {}, (incoming, answer) => answer.end(`you asked for ${incoming.url}`));
  const sent = request({ socketPath: path, path: '/this', agent: false }).end();
  const [answer] = await next<[import('node:http').IncomingMessage]>(sent, 'response');
  expect((await receiveAll(answer as never)).toString()).toBe('you asked for /this');
});

test('in a worker thread', async () => {
  const worker = new Worker(join(ROOT, 'test/net/programs/unix-server-worker.ts'), {
    workerData: path,
    execArgv: [...RUNS_TYPESCRIPT],
  });
  const exit = next(worker, 'exit');
  expect(await next(worker, 'message')).toEqual(['listening']);
  const peer = await client(0, { path } as never);
  peer.write('hello');
  expect((await receive(peer, 5)).toString()).toBe('hello');
  peer.end();
  expect(await exit).toEqual([0]);
  expect(existsSync(path)).toBe(false);
});
