/** How a stream on a connection ends, and how it fails. */

import type { Socket } from 'node:net';
import { finished } from 'node:stream/promises';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import { FdDuplex } from '../../../src/net/duplex/fd-duplex';
import { client, receiveAll } from '../../support/client';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { marker } from '../../support/marker';
import { next, until } from '../../support/until';
import { connected, server } from './rig';

expectNoFdLeaks();

/** The names of the events of the end, as they come. */
function endings(stream: FdDuplex): string[] {
  const heard: string[] = [];
  for (const name of ['end', 'finish', 'error', 'close']) {
    stream.on(name, () => heard.push(name));
  }
  return heard;
}

describe('the end', () => {
  test('allowHalfOpen: false: the peer ends, and so do we; all is told in order', async () => {
    const { stream, peer } = await connected({ allowHalfOpen: false });
    const heard = endings(stream);
    stream.resume();
    const rest = receiveAll(peer);
    peer.end();
    await finished(stream);
    await until(() => stream.closed);
    expect(heard).toEqual(['end', 'finish', 'close']);
    expect(await rest).toHaveLength(0);
  });

  test('the peer ends, and we may write on', async () => {
    const { stream, peer } = await connected();
    const heard = endings(stream);
    stream.resume();
    const rest = receiveAll(peer);
    peer.end();
    await next(stream, 'end');
    expect(stream.readyState).toBe('writeOnly');
    await new Promise((done) => stream.write('still here', done));
    stream.end();
    expect((await rest).toString()).toBe('still here');
    await until(() => stream.closed);
    expect(heard).toEqual(['end', 'finish', 'close']);
  });

  test('us first: the peer learns of it and may send on', async () => {
    const { stream, peer } = await connected({}, { allowHalfOpen: true });
    const heard = endings(stream);
    peer.resume();
    stream.end('bye');
    await next(peer, 'end');
    expect(stream.readyState).toBe('readOnly');
    peer.end('one more thing');
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('one more thing');
    await until(() => stream.closed);
    expect(heard).toEqual(['finish', 'end', 'close']);
    expect(stream.readyState).toBe('closed');
  });

  test('what has come is not lost when both sides have ended before it is read', async () => {
    const { connection, stream, peer } = await connected({}, { allowHalfOpen: true });
    peer.resume();
    stream.end();
    await next(peer, 'end');
    peer.end('x'.repeat(1_000));
    await until(() => connection.closed);
    expect([stream.closed, stream.pending]).toEqual([false, true]);
    let length = 0;
    for await (const chunk of stream) length += (chunk as Buffer).length;
    expect(length).toBe(1_000);
    await until(() => stream.closed);
    expect(stream.errored).toBeNull();
  });

  test('the server cuts it', async () => {
    const { stream } = await connected();
    stream.on('error', () => {});
    const ended = finished(stream);
    server.destroy();
    await expect(ended).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
  });

  test('is told without a reader if nothing waits to be read, and then closes what we have ended', async () => {
    const { stream, peer } = await connected();
    const heard = endings(stream);
    stream.end();
    peer.end();
    await until(() => stream.closed);
    expect(heard.sort()).toEqual(['close', 'end', 'finish']);
  });

  test('bytes that nobody has read come before it', async () => {
    const { stream, peer } = await connected();
    const heard = endings(stream);
    await new Promise<void>((sent) => peer.end('unread', sent));
    await until(() => stream.readableLength === 6);
    await marker();
    expect(heard).toEqual([]);
    let text = '';
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) text += chunk;
    expect([text, heard]).toEqual(['unread', ['end']]);
    stream.destroy();
  });

  test('halves that were closed before the stream was made are closed in it', async () => {
    const make = async (): Promise<{ connection: TcpConnection; peer: Socket }> => {
      const accepted = next<[TcpConnection]>(server, 'connection');
      const peer = await client(server.port, { allowHalfOpen: true });
      const [connection] = await accepted;
      connection.allowHalfOpen = true;
      return { connection, peer };
    };
    const first = await make();
    const ended = next(first.connection, 'end');
    first.peer.resume().end();
    await ended;
    const reading = new FdDuplex(first.connection);
    await next(reading, 'end');
    reading.end();
    await until(() => reading.closed);
    const second = await make();
    second.connection.end();
    const writing = new FdDuplex(second.connection);
    const heard = endings(writing);
    second.peer.resume().end();
    await until(() => writing.closed);
    expect(heard.sort()).toEqual(['close', 'end', 'finish']);
  });

  test('a connection that is closed already gives a stream that is', async () => {
    const { connection, stream } = await connected();
    stream.destroy();
    const late = new FdDuplex(connection);
    await next(late, 'close');
    expect(late.destroyed).toBe(true);
  });
});

describe('errors', () => {
  test('a reset in the middle of a write: the write, one error, close', async () => {
    const { connection, stream, peer } = await connected();
    const heard = endings(stream);
    const written = jest.fn();
    stream.write(Buffer.alloc(20_000_000), written);
    await until(() => connection.queuedBytes > 0);
    peer.resetAndDestroy();
    await until(() => stream.closed && written.mock.calls.length > 0);
    expect(heard).toEqual(['error', 'close']);
    expect(written).toHaveBeenCalledTimes(1);
    expect(['ECONNRESET', 'EPIPE']).toContain((stream.errored as NodeJS.ErrnoException).code);
    expect(connection.closed).toBe(true);
  });

  test('destroy in the middle of a write: the write fails, the peer sees the end, no error', async () => {
    const { connection, stream, peer } = await connected();
    const heard = endings(stream);
    const written = [jest.fn(), jest.fn()];
    for (const callback of written) stream.write(Buffer.alloc(20_000_000), callback);
    await until(() => connection.queuedBytes > 0);
    stream.destroy();
    expect(connection.closed).toBe(true);
    expect((await receiveAll(peer)).length).toBeLessThan(20_000_000);
    await until(() => stream.closed && written.every(({ mock }) => mock.calls.length > 0));
    for (const { mock } of written) expect(mock.calls).toEqual([[expect.any(Error)]]);
    expect(heard).toEqual(['close']);
  });

  test('an abort', async () => {
    const controller = new AbortController();
    const { connection, stream } = await connected({ signal: controller.signal });
    const told = next<[Error]>(stream, 'error');
    controller.abort();
    expect((await told)[0].name).toBe('AbortError');
    expect(connection.closed).toBe(true);
    const late = await connected();
    const aborted = new FdDuplex(late.connection, { signal: AbortSignal.abort() });
    expect((await next<[Error]>(aborted, 'error'))[0].name).toBe('AbortError');
    expect(late.connection.closed).toBe(true);
  });

  test('resetAndDestroy resets', async () => {
    const { stream, peer } = await connected();
    const told = next<[NodeJS.ErrnoException]>(peer, 'error');
    stream.resetAndDestroy();
    expect((await told)[0].code).toBe('ECONNRESET');
  });

  test('wrong options are named', async () => {
    const { connection } = await connected();
    const make = (options: object) => () => new FdDuplex(connection, options);
    expect(make({ allowHalfOpen: 1 })).toThrow(/option "allowHalfOpen" of FdDuplex/);
    expect(make({ highWaterMark: -1 })).toThrow(/option "highWaterMark" of FdDuplex/);
    expect(make({ ownsFd: false })).toThrow(/ownsFd/);
    expect(() => new FdDuplex('x' as never)).toThrow(
      /"source" argument must be a connection, an fd/,
    );
    expect(() => new FdDuplex({})).toThrow(/expected readFd, writeFd, or both/);
    expect(() => new FdDuplex({ readFd: -1 })).toThrow(/option "readFd" of FdDuplex/);
    expect(connection.closed).toBe(false);
  });
});
