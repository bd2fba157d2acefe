/** Connecting that is given up, or fails. */
import { getEventListeners } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect } from '../../../src/net/client/connect';
import type { TcpConnectOptions } from '../../../src/net/client/options';
import { encodeAddress } from '../../../src/sys/address';
import { AF_INET, AF_INET6, EPOLLIN, SOCK_CLOEXEC, SOCK_STREAM } from '../../../src/sys/constants';
import { bind, socket } from '../../../src/sys/socket';
import { Child, ROOT, runTs } from '../../support/child';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { watchedMask } from '../../support/fdinfo';
import { closeLater, replace } from '../../support/fds';
import { silentPort } from '../../support/full-listener';
import { IN_NAMESPACE_WITH_SYSCTLS } from '../../support/namespace';
import { socketCount } from '../../support/open-fds';
import { testWith } from '../../support/requires';
import { RUNS_TYPESCRIPT } from '../../support/runs-typescript';
import { next } from '../../support/until';
import { echoServer, failure, freePort, open, ownLoop } from './rig';

expectNoFdLeaks();

describe('giving up', () => {
  test('an abort, before and while connecting', async () => {
    const port = silentPort();
    const reason = new Error('changed my mind');
    await expect(connect({ port, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const { signal } = controller;
    const loop = ownLoop();
    const before = socketCount();
    const tries = Array.from({ length: 20 }, () =>
      connect({ port, signal, loop, connectTimeoutMs: 10_000 }).catch((error) => error),
    );
    expect(socketCount()).toBe(before + 20);
    expect(loop.stats()).toMatchObject({ watched: 20, timers: 20 });
    controller.abort(reason);
    expect(new Set(await Promise.all(tries))).toEqual(new Set([reason]));
    expect(socketCount()).toBe(before);
    expect(loop.stats()).toMatchObject({ watched: 0, timers: 0 });
  });

  test('an abort after connecting means nothing', async () => {
    const { port } = await echoServer();
    const controller = new AbortController();
    const connection = await open({ port, signal: controller.signal, connectTimeoutMs: 50 });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    connection.write('still');
    expect(await next(connection, 'data')).toEqual([Buffer.from('still')]);
    expect(connection.loop.timers.size).toBe(0);
  });

  test('a loop that is closed', async () => {
    const port = silentPort();
    const loop = ownLoop();
    const before = socketCount();
    const pending = connect({ port, loop });
    expect(socketCount()).toBe(before + 1);
    loop.close();
    await expect(pending).rejects.toMatchObject({ code: 'ERR_LOOP_CLOSED' });
    await expect(connect({ port, loop })).rejects.toMatchObject({ code: 'ERR_LOOP_CLOSED' });
    expect(socketCount()).toBe(before);
  });

  test('an fd that somebody else closed is told, and its successor is not closed', async () => {
    const port = silentPort();
    const loop = ownLoop();
    const pending = connect({ port, loop, connectTimeoutMs: 10_000 });
    const fds = readdirSync('/proc/self/fd').map(Number);
    const fd = fds.find((one) => watchedMask(loop, one) !== undefined) as number;
    replace(fd);
    loop.add(fd, EPOLLIN, { onEvents: () => {}, onRevoked: () => {} });
    await expect(pending).rejects.toMatchObject({ code: 'EBADF' });
    expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe('anon_inode:[eventfd]');
    expect(loop.timers.size).toBe(0);
  });
});

describe('errors', () => {
  test('an address to connect from that is taken, or not ours', async () => {
    const { port } = await echoServer();
    expect(await failure(connect({ port, localPort: port }))).toMatchObject({
      code: 'EADDRINUSE',
      syscall: 'connect',
      address: '127.0.0.1',
      port,
      message: `connect EADDRINUSE: address already in use: cannot connect from 0.0.0.0:${port}`,
    });
    expect(await failure(connect({ port, localAddress: '192.0.2.1' }))).toMatchObject({
      code: 'EADDRNOTAVAIL',
      syscall: 'connect',
      port,
      message: expect.stringContaining('cannot connect from 192.0.2.1:0'),
    });
  });

  test.each([
    [{ port: 80, host: 'example.org' }, 'host', 'node:dns'],
    [{ port: 80, address: 'example.org' }, 'address', 'node:dns'],
    [{ port: 80, host: '' }, 'host', 'node:dns'],
    [{ port: 80, host: '127.1' }, 'host', 'node:dns'],
    [{ port: 80, localAddress: 'example.org' }, 'localAddress', 'node:dns'],
    [{ port: 80, localAddress: '::1' }, 'localAddress', 'IPv4'],
    [{ port: 80, host: 'fe80::1%nosuch0' }, 'address', 'interface'],
  ])('%j is no address: a RangeError that says so', async (options, name, text) => {
    const error = await failure(connect(options));
    expect(error).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    expect(error['message']).toContain(`"${name}"`);
    expect(error['message']).toContain(text);
  });

  test.each([
    [{}, 'port'],
    [{ port: 0 }, 'port'],
    [{ port: 65_536 }, 'port'],
    [{ port: '80' }, 'port'],
    [{ port: 80, host: '::1', address: '::1' }, 'address'],
    [{ port: 80, host: 5 }, 'host'],
    [{ port: 80, localPort: -1 }, 'localPort'],
    [{ port: 80, connectTimeoutMs: Number.NaN }, 'connectTimeoutMs'],
    [{ port: 80, signal: {} }, 'signal'],
    [{ port: 80, handler: {} }, 'handler'],
    [{ port: 80, prot: 1 }, 'prot'],
    [{ path: '' }, 'path'],
    [{ path: '/x', port: 80 }, 'port'],
    [undefined, 'options of connect'],
    [null, 'options of connect'],
  ])('the options %j are refused, and the error says which', async (options, name) => {
    await expect(connect(options as TcpConnectOptions)).rejects.toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining(name),
    });
  });

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['0.0.0.0', '127.0.0.1'],
  ])('a port of our own at which nobody listens is no server: %s', async (host, localAddress) => {
    const [port, before, loop] = [await freePort(), socketCount(), ownLoop()];
    const toItself = { host, port, localAddress, localPort: port, loop };
    expect(await failure(connect(toItself))).toMatchObject({
      name: 'SystemError',
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: host,
      port,
      message: `connect ECONNREFUSED: no server listens at ${host}:${port}, the socket met itself`,
    });
    expect([socketCount(), loop.stats().watched]).toEqual([before, 0]);
    // The port is free at once, also without SO_REUSEADDR: not even a TIME_WAIT is left there.
    const family = host.includes(':') ? AF_INET6 : AF_INET;
    const fd = closeLater(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    expect(bind(fd, encodeAddress({ address: localAddress, port }))).toBe(0);
  });

  test('with all fds used: EMFILE, nothing leaks, and later it works again', async () => {
    const { port } = await echoServer();
    const child = new Child('sh', [
      '-c',
      `ulimit -n 64; exec "${process.execPath}" ${RUNS_TYPESCRIPT.join(' ')} ${ROOT}/test/net/programs/connect-scarce.ts ${port}`,
    ]);
    expect([await child.exit(), child.stderr]).toEqual([{ code: 0, signal: null }, '']);
    expect(JSON.parse(child.stdout)).toEqual({
      codes: ['EMFILE connect'],
      afterOne: 'connected',
      more: 0,
    });
  });

  testWith(
    IN_NAMESPACE_WITH_SYSCTLS?.join(' ') ?? null,
    'a network namespace with veth and a writable /proc/sys/net',
  )('of the network: no route, no neighbour, no answer, no port', async () => {
    const script = [
      'ip link set lo up; ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up',
      'ip addr add 10.77.0.1/24 dev v0; ip route add unreachable 10.78.0.0/24',
      // Who has 10.77.0.3, nobody tells; what is sent to 10.77.0.2 goes nowhere.
      'ip neigh add 10.77.0.2 lladdr 02:00:00:00:00:02 dev v0',
      'cd /proc/sys/net/ipv4; echo 1 > tcp_syn_retries || exit 1',
      'echo 1 > neigh/v0/mcast_solicit; echo 100 > neigh/v0/retrans_time_ms',
      'echo "50000 50001" > ip_local_port_range || exit 1; cd "$OLDPWD"; exec "$0" "$@"',
    ].join('\n');
    const command = [...(IN_NAMESPACE_WITH_SYSCTLS as string[]), 'sh', '-c', script];
    const child = runTs('test/net/programs/connect-namespace.ts', { command });
    expect([await child.exit(), child.stderr]).toEqual([{ code: 0, signal: null }, '']);
    expect(JSON.parse(child.stdout)).toEqual({
      noRoute: 'ENETUNREACH 192.0.2.1:80',
      unreachable: 'EHOSTUNREACH 10.78.0.1:80',
      noNeighbour: 'EHOSTUNREACH 10.77.0.3:80',
      kernelGaveUp: 'ETIMEDOUT 10.77.0.2:80 connection timed out',
      weGaveUp: 'ETIMEDOUT 10.77.0.2:80 no answer',
      ports: ['connected', 'connected', 'EADDRNOTAVAIL'],
    });
  });
});
