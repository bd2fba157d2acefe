/** A connection that is given up by one owner, and taken over by another. */
import { connect, type Socket } from 'node:net';
import { EventLoop } from '../../../src/loop/event-loop';
import type { StreamConnection } from '../../../src/net/connection/connection';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { expectNoFdLeaks } from '../../support/fd-leaks';
import { until } from '../../support/until';

expectNoFdLeaks();

let server: TcpServer;
let other: TcpServer;
let loop: EventLoop;
let client: Socket;
let text: string;

beforeEach(() => {
  loop = new EventLoop();
  server = new TcpServer({ port: 0 });
  other = new TcpServer({ port: 0, loop, maxConnections: 1 });
  text = '';
});

afterEach(() => {
  client?.destroy();
  server.destroy();
  other.destroy();
  loop.close();
});

async function accepted(): Promise<StreamConnection> {
  const connection = new Promise<StreamConnection>((resolve) => server.once('connection', resolve));
  client = connect(server.port, '127.0.0.1').on('error', () => {});
  client.on('data', (chunk) => {
    text += chunk;
  });
  return connection;
}

/** All that `other` hears of its connections. */
function heard(): string[] {
  const events: string[] = [];
  other.on('connection', (connection) => {
    events.push(`connection ${connection.attachment}`);
    connection.on('data', (chunk) => events.push(`data ${chunk}`));
    connection.on('end', () => events.push('end'));
  });
  return events;
}

test('nothing is emitted by the former owner, and nothing is lost for the next', async () => {
  const connection = await accepted();
  const events = heard();
  const closed = jest.fn();
  connection.on('close', closed).on('data', () => events.push('former'));
  connection.write('from the first, ');
  const fd = connection.detach();
  expect([connection.closed, connection.fd, server.connections.size]).toEqual([true, -1, 0]);
  client.end('later');
  const next = other.adopt(fd, { head: Buffer.from('head'), attachment: 'mine' });
  expect(events).toEqual(['connection mine', 'data head']);
  next?.write('from the next');
  await until(() => events.length === 4);
  expect(events.slice(2)).toEqual(['data later', 'end']);
  await until(() => text === 'from the first, from the next');
  expect(closed).not.toHaveBeenCalled();
});

test('a FIN that was found and not delivered is found again', async () => {
  const connection = await accepted();
  const events = heard();
  client.end('last');
  const fd = await new Promise<number>((resolve) => {
    connection.on('data', () => setImmediate(() => resolve(connection.detach())));
  });
  other.adopt(fd);
  await until(() => events.length === 2);
  expect(events).toEqual(['connection undefined', 'end']);
});

test('while bytes wait, after end and after close it is refused, and nothing changes', async () => {
  const connection = await accepted();
  client.pause();
  const refusal = expect.objectContaining({ code: 'ERR_NOT_DETACHABLE' });
  connection.write(Buffer.alloc(16 * 1024 * 1024));
  expect(() => connection.detach()).toThrow(refusal);
  expect(() => connection.detach()).toThrow(/bytes wait to be sent/);
  expect(server.connections.has(connection)).toBe(true);
  client.resume();
  await new Promise<void>((resolve) => connection.once('drain', resolve));
  connection.end();
  expect(() => connection.detach()).toThrow(/it ends, or has failed/);
  connection.destroy();
  expect(() => connection.detach()).toThrow(/the connection is closed/);
});

test('the limits of the next owner hold', async () => {
  const dropped = jest.fn();
  other.on('drop', dropped);
  const first = await accepted();
  const holder = client;
  other.adopt(first.detach());
  const second = await accepted();
  expect(other.adopt(second.detach())).toBeNull();
  expect(dropped).toHaveBeenCalledTimes(1);
  await new Promise((resolve) => client.once('close', resolve));
  holder.destroy();
});

test('a server that has closed takes nothing, and closes it', async () => {
  const connection = await accepted();
  other.close();
  expect(other.adopt(connection.detach())).toBeNull();
  await new Promise((resolve) => client.once('close', resolve));
});

test('adopt refuses what is no connected socket, and leaves it open', () => {
  for (const wrong of [-1, 1.5, Number.NaN, '3', null]) {
    expect(() => other.adopt(wrong as never)).toThrow(/"fd"/);
  }
  expect(() => other.adopt(99_999)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  expect(() => other.adopt(loop.waker.fd)).toThrow(expect.objectContaining({ code: 'ENOTSOCK' }));
});
