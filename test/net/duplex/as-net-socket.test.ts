/** The members of a net.Socket that a stream on a connection has, too. */

import { connect } from '../../../src/net/client/connect';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { UnixServer } from '../../../src/net/server/unix-server';
import { getSocketOption } from '../../../src/net/socket/options';
import { receive } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { markerOnWheel } from '../../support/marker';
import { next, until } from '../../support/until';
import { connected, server } from './rig';

expectNoFdLeaks();

describe('as a net.Socket', () => {
  test('close tells whether there was an error', async () => {
    const failed = await connected();
    failed.stream.on('error', () => {});
    const told = next(failed.stream, 'close');
    failed.peer.resetAndDestroy();
    expect(await told).toEqual([true]);
    const { stream } = await connected();
    expect(await next(stream.destroy(), 'close')).toEqual([false]);
  });

  test('addresses and counts, on both sides', async () => {
    const accepted = connected();
    const { stream, peer } = await accepted;
    const { port } = server;
    expect(stream).toMatchObject({
      remoteAddress: '127.0.0.1',
      remotePort: peer.localPort,
      remoteFamily: 'IPv4',
      localAddress: '127.0.0.1',
      localPort: port,
      localFamily: 'IPv4',
      connecting: false,
      pending: false,
      readyState: 'open',
    });
    expect(stream.address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port });
    stream.write('four');
    expect((await receive(peer, 4)).toString()).toBe('four');
    peer.write('seven77');
    await until(() => stream.bytesRead === 7);
    expect(stream.bytesWritten).toBe(4);
    stream.destroy();
    expect(stream).toMatchObject({ pending: true, readyState: 'closed', localPort: undefined });
    expect(stream.address()).toEqual({});
  });

  test('the options of TCP', async () => {
    const { connection, stream } = await connected();
    expect(stream.setNoDelay(false)).toBe(stream);
    expect(getSocketOption(connection.fd, 'noDelay')).toBe(false);
    stream.setNoDelay();
    expect(getSocketOption(connection.fd, 'noDelay')).toBe(true);
    stream.setKeepAlive(true, 7_900);
    expect(getSocketOption(connection.fd, 'keepAlive')).toBe(true);
    expect(getSocketOption(connection.fd, 'keepAliveIdleSeconds')).toBe(7);
    stream.setKeepAlive(true, 1e9);
    expect(getSocketOption(connection.fd, 'keepAliveIdleSeconds')).toBe(32_767);
    stream.setKeepAlive();
    expect(getSocketOption(connection.fd, 'keepAlive')).toBe(false);
  });

  test('on a unix socket they do nothing', async () => {
    const unix = new UnixServer({ path: `\0epoll-ffi-duplex-${process.pid}` });
    unix.on('connection', (connection) => {
      const stream = new FdDuplex(connection);
      stream.setNoDelay().setKeepAlive(true, 1_000).ref().unref().pipe(stream);
    });
    const stream = new FdDuplex(await connect({ path: unix.path }));
    expect([stream.remoteAddress, stream.remoteFamily, stream.localPort]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    stream.end('over unix');
    let text = '';
    for await (const chunk of stream) text += chunk;
    expect(text).toBe('over unix');
    new FdDuplex(await connect({ path: unix.path })).resetAndDestroy();
    unix.close();
    await next(unix, 'close');
  });

  test('timeout is told once for each silence', async () => {
    const { stream, peer } = await connected();
    stream.resume();
    const timeout = jest.fn();
    stream.on('timeout', timeout);
    stream.setTimeout(40);
    expect(stream.timeout).toBe(40);
    await until(() => timeout.mock.calls.length === 1);
    // Four times as long without a byte: it was told, and that is all.
    await markerOnWheel(160);
    expect(timeout).toHaveBeenCalledTimes(1);
    peer.write('x');
    await until(() => timeout.mock.calls.length === 2);
    expect(stream.destroyed).toBe(false);
    const never = jest.fn();
    stream.setTimeout(1_000_000, never);
    stream.setTimeout(0, never);
    expect(stream.listenerCount('timeout')).toBe(1);
    for (const wrong of [-1, NaN, Infinity]) {
      expect(() => stream.setTimeout(wrong)).toThrow(RangeError);
    }
    expect(() => stream.setTimeout('1' as never)).toThrow(TypeError);
  });
});
