import { EventLoop } from '../../../src/loop/event-loop';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { TcpServer, type TcpServerOptions } from '../../../src/net/server/tcp-server';
import * as sys from '../../../src/sys';
import { runTs } from '../../support/child';
import { client, receive, receiveAll } from '../../support/client';
import { serve } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { listenerFd, watchedMask } from '../../support/fdinfo';
import { next, until } from '../../support/until';

expectNoFdLeaks();

describe('accepting', () => {
  test.each(['level', 'edge', 'oneshot'] as const)(
    'a burst of 300 connections is accepted to the last, %s-triggered',
    async (acceptTrigger) => {
      const server = serve({ acceptTrigger });
      let accepted = 0;
      server.on('connection', (connection) => {
        accepted += 1;
        connection.write('hello');
      });
      const peers = await Promise.all(Array.from({ length: 300 }, () => client(server.port)));
      const greetings = await Promise.all(peers.map((peer) => receive(peer, 5)));
      expect(greetings.every((greeting) => greeting.toString() === 'hello')).toBe(true);
      expect([accepted, server.connections.size]).toEqual([300, 300]);
      // And again, after the rounds are over.
      expect((await receive(await client(server.port), 5)).toString()).toBe('hello');
    },
  );

  test('a one-shot listener is armed between rounds, with nothing but IN and ONESHOT', async () => {
    const loop = new EventLoop();
    const server = serve({ acceptTrigger: 'oneshot', loop });
    const listener = listenerFd(server.port);
    const c = sys.constants;
    const armed = c.EPOLLIN | c.EPOLLONESHOT | c.EPOLLERR | c.EPOLLHUP;
    expect(watchedMask(loop, listener)).toBe(armed);
    const peer = await client(server.port);
    await until(() => server.connections.size === 1);
    expect(watchedMask(loop, listener)).toBe(armed);
    peer.destroy();
    await until(() => server.connections.size === 0);
    server.destroy();
    loop.close();
  });

  test('connections are watched IN and RDHUP, with ET and OUT if that was asked for', async () => {
    const c = sys.constants;
    const always = c.EPOLLIN | c.EPOLLRDHUP | c.EPOLLERR | c.EPOLLHUP;
    for (const [trigger, mask] of [
      ['level', always],
      ['edge', (always | c.EPOLLOUT | c.EPOLLET | c.EPOLLPRI) >>> 0],
    ] as const) {
      const loop = new EventLoop();
      const server = serve({ trigger, loop });
      const accepted = next<[TcpConnection]>(server, 'connection');
      await client(server.port);
      const [connection] = await accepted;
      expect(watchedMask(loop, connection.fd)).toBe(mask);
      loop.close();
    }
  });

  test('a handler that throws on a new connection does not cost the next one', async () => {
    const loop = new EventLoop();
    const thrown = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
    const server = serve({ loop });
    server.once('connection', () => {
      throw new Error('in a listener');
    });
    await client(server.port);
    await until(() => thrown.mock.calls.length === 1);
    server.on('connection', (connection) => connection.write('hello'));
    expect((await receive(await client(server.port), 5)).toString()).toBe('hello');
    loop.close();
  });

  test('fd numbers are reused quickly, and no data crosses from one connection to another', async () => {
    const server = serve({ trigger: 'edge', acceptTrigger: 'oneshot' });
    server.on('connection', (connection) =>
      connection.on('data', (chunk) => connection.write(chunk)),
    );
    const one = async (tag: string): Promise<void> => {
      const peer = await client(server.port);
      peer.write(tag);
      expect((await receive(peer, tag.length)).toString()).toBe(tag);
      peer.resetAndDestroy();
    };
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(
        Array.from({ length: 50 }, (_, index) => one(`tag ${round}.${index} of many`)),
      );
    }
    await until(() => server.connections.size === 0);
  });
});

describe('listening', () => {
  test('at a free port of 127.0.0.1 by default', () => {
    const server = serve();
    expect(server.address).toEqual({ family: 'IPv4', address: '127.0.0.1', port: server.port });
    expect(server.port).toBeGreaterThan(0);
    expect(serve({ host: 'localhost' }).address.address).toBe('127.0.0.1');
  });

  test('at IPv6, for IPv4 too by default', async () => {
    const both = serve({ host: '::' });
    await client(both.port, { host: '127.0.0.1' });
    await client(both.port, { host: '::1' });
    const only = serve({ host: '::', ipv6Only: true });
    await client(only.port, { host: '::1' });
    await expect(client(only.port, { host: '127.0.0.1' })).rejects.toThrow('ECONNREFUSED');
  });

  test('at a port that is taken: EADDRINUSE, with address and port', () => {
    const { port } = serve();
    expect(() => serve({ port })).toThrow(
      expect.objectContaining({
        code: 'EADDRINUSE',
        syscall: 'bind',
        address: '127.0.0.1',
        port,
        message: `bind EADDRINUSE: address already in use 127.0.0.1:${port}`,
      }),
    );
  });

  test('at an address that is not ours: EADDRNOTAVAIL', () => {
    expect(() => serve({ host: '192.0.2.1' })).toThrow(
      expect.objectContaining({ code: 'EADDRNOTAVAIL', address: '192.0.2.1' }),
    );
  });

  test('at a port whose old connections are in TIME_WAIT', async () => {
    const server = serve();
    // It ends first, and so its side is the one that waits.
    server.on('connection', (connection) => connection.end('bye'));
    const { port } = server;
    const peer = await client(port);
    expect((await receiveAll(peer)).toString()).toBe('bye');
    await until(() => server.connections.size === 0);
    server.destroy();
    expect(serve({ port }).port).toBe(port);
  });

  test('at one port with others, if they all say SO_REUSEPORT', () => {
    const { port } = serve({ reusePort: true });
    expect(serve({ port, reusePort: true }).port).toBe(port);
  });

  test('connections send without delay by default', async () => {
    for (const noDelay of [true, false]) {
      const server = serve({ noDelay });
      const accepted = next<[TcpConnection]>(server, 'connection');
      await client(server.port);
      const [connection] = await accepted;
      const value = new Int32Array(1);
      const { IPPROTO_TCP, TCP_NODELAY } = sys.constants;
      sys.getsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, value);
      expect(value[0] !== 0).toBe(noDelay);
    }
  });

  test.each([
    [{}, 'port'],
    [{ port: -1 }, 'port'],
    [{ port: 65_536 }, 'port'],
    [{ port: '80' }, 'port'],
    [{ port: 0, host: 'example.org' }, 'host'],
    [{ port: 0, trigger: 'both' }, 'trigger'],
    [{ port: 0, highWaterMark: 0 }, 'highWaterMark'],
    [{ port: 0, handler: {} }, 'handler'],
    [{ port: 0, idleTimeoutMs: -5 }, 'idleTimeoutMs'],
    [{ port: 0, prot: 1 }, 'prot'],
    [undefined, 'options of TcpServer'],
  ])('the options %j are refused, and the error says which', (options, name) => {
    expect(() => new TcpServer(options as TcpServerOptions)).toThrow(
      expect.objectContaining({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringContaining(name),
      }),
    );
  });
});

describe('closing', () => {
  test('takes no more connections, lets the open ones go on, and emits close after the last', async () => {
    const server = serve();
    server.on('connection', (connection) =>
      connection.on('data', (chunk) => connection.write(chunk)),
    );
    const peer = await client(server.port);
    await until(() => server.connections.size === 1);
    const closed = jest.fn();
    server.on('close', closed);
    server.close();
    server.close();
    expect(server.listening).toBe(false);
    await expect(client(server.port)).rejects.toThrow('ECONNREFUSED');
    peer.write('still here');
    expect((await receive(peer, 10)).toString()).toBe('still here');
    expect(closed).not.toHaveBeenCalled();
    peer.end();
    await next(server, 'close');
    expect(closed).toHaveBeenCalledTimes(1);
  });

  test('an idle server emits close too, but not before a listener can be attached', async () => {
    const server = serve();
    server.close();
    await next(server, 'close');
  });

  test('destroy cuts everything', async () => {
    const server = serve();
    const peers = await Promise.all([client(server.port), client(server.port)]);
    await until(() => server.connections.size === 2);
    const gone = peers.map((peer) => next(peer, 'close'));
    for (const peer of peers) peer.resume();
    server.destroy();
    await Promise.all(gone);
    expect(server.connections.size).toBe(0);
  });

  test('a server holds the process, and one that is unref’ed does not', async () => {
    const unrefed = runTs('test/net/programs/unrefed-server.ts', { args: ['unref'] });
    expect(await unrefed.exit()).toEqual({ code: 0, signal: null });
    const held = runTs('test/net/programs/unrefed-server.ts', { args: ['hold'] });
    await held.printed(/served/);
    expect(held.process.exitCode).toBeNull();
    held.kill('SIGTERM');
    expect(await held.exit()).toEqual({ code: null, signal: 'SIGTERM' });
  });
});
