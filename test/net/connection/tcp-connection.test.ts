/** A connection of a server: bytes, pauses, floods, listeners and handlers. */
import { randomBytes } from 'node:crypto';
import { EventLoop } from '../../../src/loop/event-loop';
import type { ConnectionHandler } from '../../../src/net/connection/connection';
import type { TcpConnection } from '../../../src/net/connection/tcp-connection';
import * as sys from '../../../src/sys';
import { client, receive } from '../../support/client';
import { connected, serve } from '../../support/connections';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { closeLater } from '../../support/fds';
import { sha } from '../../support/sha';
import { next, until } from '../../support/until';

expectNoFdLeaks();

describe.each(['level', 'edge'] as const)('%s-triggered', (trigger) => {
  test.each([1, 64, 1_460, 65_535, 65_536, 65_537, 3_000_000])(
    '%d bytes are echoed as they were',
    async (size) => {
      const { connection, peer } = await connected({ trigger });
      connection.on('data', (chunk) => connection.write(chunk));
      const sent = randomBytes(size);
      peer.write(sent);
      expect(sha(await receive(peer, size))).toBe(sha(sent));
      expect([connection.bytesRead, connection.bytesWritten]).toEqual([size, size]);
    },
  );

  test('bytes before the FIN are delivered before end, and close comes last', async () => {
    const { connection, peer } = await connected({ trigger });
    const log: string[] = [];
    connection.on('data', (chunk) => log.push(chunk.toString()));
    connection.on('end', () => log.push('end'));
    connection.on('close', (error) => log.push(`close ${error}`));
    peer.end('last words');
    await next(connection, 'close');
    expect(log).toEqual(['last words', 'end', 'close undefined']);
  });

  test('a paused connection delivers nothing, and everything once it is resumed', async () => {
    const { connection, peer, server } = await connected({ trigger });
    const received: Buffer[] = [];
    connection.on('data', (chunk) => received.push(Buffer.from(chunk)));
    connection.pause();
    const sent = randomBytes(200_000);
    peer.end(sent);
    // Another connection is served meanwhile.
    const served = next(server, 'connection');
    await client(server.port);
    await served;
    expect(received).toEqual([]);
    connection.resume();
    await next(connection, 'close');
    expect(sha(Buffer.concat(received))).toBe(sha(sent));
  });

  test('a listener may pause and resume at any chunk', async () => {
    const { connection, peer } = await connected({ trigger });
    const received: Buffer[] = [];
    connection.on('data', (chunk) => {
      received.push(Buffer.from(chunk));
      connection.pause();
      setImmediate(() => connection.resume());
    });
    const sent = randomBytes(2_000_000);
    peer.end(sent);
    await next(connection, 'close');
    expect(sha(Buffer.concat(received))).toBe(sha(sent));
  });

  test('urgent data in the stream holds nothing back', async () => {
    const server = serve({ trigger });
    const accepted = next<[TcpConnection]>(server, 'connection');
    const c = sys.constants;
    const fd = closeLater(sys.socket(c.AF_INET, c.SOCK_STREAM, 0));
    expect(sys.connect(fd, sys.encodeAddress(server.address))).toBe(0);
    const [connection] = await accepted;
    let text = '';
    connection.on('data', (chunk) => {
      text += chunk;
    });
    sys.send(fd, Buffer.from('before'), 6, 0);
    sys.send(fd, Buffer.from('!'), 1, c.MSG_OOB);
    sys.send(fd, Buffer.from('after'), 5, 0);
    await until(() => text === 'beforeafter');
  });

  test('a connection that floods does not keep the others waiting', async () => {
    const { server, connection, peer } = await connected({ trigger, readQuantumBytes: 65_536 });
    let flooded = 0;
    connection.on('data', (chunk) => {
      flooded += chunk.length;
    });
    const block = Buffer.alloc(1024 * 1024);
    const flood = (): void => {
      while (peer.writable && peer.write(block));
    };
    peer.on('drain', flood);
    flood();
    server.on('connection', (calm) => calm.on('data', (chunk) => calm.write(chunk)));
    const calm = await client(server.port);
    for (let round = 0; round < 20; round += 1) {
      calm.write('ping');
      expect((await receive(calm, 4)).toString()).toBe('ping');
    }
    expect(flooded).toBeGreaterThan(65_536);
  });
});

describe('listeners and handlers', () => {
  test('addresses of both sides', async () => {
    const { connection, peer, server } = await connected();
    expect([connection.remoteAddress, connection.remotePort]).toEqual([
      '127.0.0.1',
      peer.localPort,
    ]);
    expect(connection.address()).toEqual(server.address);
  });

  test('one handler serves all connections, without events', async () => {
    const log: string[] = [];
    const handler: ConnectionHandler = {
      onData(connection, chunk) {
        connection.attachment = `${connection.attachment ?? ''}${chunk}`;
        connection.write(String(connection.attachment));
      },
      onEnd: (connection) => log.push(`end ${connection.attachment}`),
      onClose: (connection, error) => log.push(`close ${connection.attachment} ${error}`),
    };
    const server = serve({ handler });
    const [a, b] = [await client(server.port), await client(server.port)];
    a.write('a');
    expect((await receive(a, 1)).toString()).toBe('a');
    b.write('b');
    expect((await receive(b, 1)).toString()).toBe('b');
    a.end('A');
    expect((await receive(a, 2)).toString()).toBe('aA');
    await until(() => log.length === 2);
    expect(log).toEqual(['end aA', 'close aA undefined']);
  });

  test('a listener that throws harms neither its connection nor the others', async () => {
    const loop = new EventLoop();
    const thrown = jest.spyOn(loop, 'uncaught').mockImplementation(() => {});
    const { connection, peer } = await connected({ loop, trigger: 'edge' });
    let calls = 0;
    connection.on('data', (chunk) => {
      calls += 1;
      if (calls === 1) throw new Error('first chunk');
      connection.write(chunk);
    });
    for (const event of ['end', 'close'] as const) {
      connection.on(event, () => {
        throw new Error(event);
      });
    }
    peer.write('lost');
    await until(() => calls === 1);
    peer.write('kept');
    expect((await receive(peer, 4)).toString()).toBe('kept');
    peer.end();
    await until(() => connection.closed);
    expect(thrown.mock.calls.map(([error]) => (error as Error).message)).toEqual([
      'first chunk',
      'end',
      'close',
    ]);
    loop.close();
  });

  test('the end of the loop closes its connections', async () => {
    const loop = new EventLoop();
    const { server, connection } = await connected({ loop });
    const [closed, ended] = [next(connection, 'close'), next(server, 'close')];
    loop.close();
    expect(await closed).toEqual([expect.objectContaining({ code: 'ERR_LOOP_CLOSED' })]);
    await ended;
    expect(connection.closed).toBe(true);
  });
});

test('a connection is handed over to nobody but a handler', async () => {
  const { connection, peer } = await connected();
  for (const wrong of [undefined, null, {}, () => {}, { ondata: () => {} }]) {
    expect(() => connection.setHandler(wrong as never)).toThrow(
      /"handler" argument must be an object with an onData method/,
    );
  }
  // It is told of as before.
  const data = next(connection, 'data');
  peer.write('x');
  await data;
});
