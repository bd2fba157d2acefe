/**
 * Listeners that throw, one in each event there is; run by throwing.test.ts. Prints, for each, how
 * often it was called and what was uncaught, and what is left at the end.
 */
import { connect as netConnect, type Socket } from 'node:net';
import { EventLoop } from '../../../src/loop/event-loop';
import { TcpServer } from '../../../src/net/server/tcp-server';
import { WebSocketServer } from '../../../src/ws/web-socket-server';
import { until } from '../../support/until';
import {
  clientFrame,
  closeFrame,
  PING,
  PONG,
  TEXT,
  UPGRADE_REQUEST,
} from '../../support/ws-frames';

const calls: Record<string, number> = {};
const uncaught: Record<string, number> = {};
const count = (where: Record<string, number>, name: string): void => {
  where[name] = (where[name] ?? 0) + 1;
};
process.on('uncaughtException', (error) => count(uncaught, error.message));

/** A listener that does its work, and then throws its name. */
function failing<A extends unknown[]>(name: string, work?: (...args: A) => void) {
  return (...args: A): void => {
    count(calls, name);
    work?.(...args);
    throw new Error(name);
  };
}

const loop = new EventLoop();
const server = new TcpServer({ port: 0, loop, allowHalfOpen: true });
server.on(
  'connection',
  failing('connection', (connection) => {
    connection.on(
      'data',
      failing('data', (chunk) => {
        if (chunk.toString() === 'clog') {
          while (connection.write(Buffer.alloc(1024 * 1024)));
          connection.write('last', failing('callback'));
        } else {
          connection.write(chunk);
        }
      }),
    );
    connection.on(
      'end',
      failing('end', () => connection.end()),
    );
    connection.on('drain', failing('drain'));
    connection.on('error', failing('error'));
    connection.on('close', failing('close'));
  }),
);
server.on('close', failing('server close'));

/** A client of node:net, and all it got. */
interface Client {
  socket: Socket;
  got(): string;
  isClosed(): boolean;
}

function dial(port: number): Promise<Client> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let closed = false;
    const socket = netConnect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      closed = true;
    });
    const got = (): string => Buffer.concat(chunks).toString('latin1');
    socket.on('connect', () => resolve({ socket, got, isClosed: () => closed }));
  });
}

async function connections(): Promise<void> {
  // Ten at once, so that they share batches; each is answered twice although each answer throws.
  const clients = await Promise.all(Array.from({ length: 10 }, () => dial(server.port)));
  for (const text of ['one', 'onetwo']) {
    for (const { socket } of clients) socket.write(text.slice(text === 'one' ? 0 : 3));
    await until(() => clients.every(({ got }) => got() === text), 60_000);
  }
  const [clogged, reset, ...others] = clients as [Client, Client, ...Client[]];
  clogged.socket.write('clog');
  await until(() => clogged.got().endsWith('last'), 60_000);
  await until(() => uncaught['drain'] === 1 && uncaught['callback'] === 1, 60_000);
  reset.socket.resetAndDestroy();
  for (const { socket } of [clogged, ...others]) socket.end();
  await until(() => server.connections.size === 0 && others.every((one) => one.isClosed()), 60_000);
}

async function webSockets(): Promise<void> {
  const webSocketServer = new WebSocketServer({ port: 0, loop });
  webSocketServer.on(
    'connection',
    failing('socket', (socket) => {
      socket.on(
        'message',
        failing('message', (data) => socket.send(data)),
      );
      socket.on('ping', failing('ping'));
      socket.on('pong', failing('pong'));
      socket.on('error', failing('socket error'));
      socket.on('close', failing('socket close'));
    }),
  );
  webSocketServer.on('close', failing('socket server close'));
  const upgraded = async (): Promise<Client> => {
    const one = await dial(webSocketServer.port);
    one.socket.write(UPGRADE_REQUEST);
    await until(() => one.got().includes('\r\n\r\n'), 60_000);
    return one;
  };
  const { socket, got, isClosed } = await upgraded();
  // All in one segment: each throws, and none costs those behind it.
  const frames = [
    clientFrame(TEXT, 'first'),
    clientFrame(PING, 'p'),
    clientFrame(PONG),
    clientFrame(TEXT, 'second'),
    clientFrame(3, 'no such opcode'),
    closeFrame(1000),
  ];
  socket.write(Buffer.concat(frames));
  await until(() => uncaught['socket error'] === 1, 60_000);
  socket.end();
  (await upgraded()).socket.resetAndDestroy();
  await until(() => isClosed() && webSocketServer.clients.size === 0, 60_000);
  if (!/first.*second/s.test(got())) throw new Error('an answer is lost');
  webSocketServer.destroy();
}

async function main(): Promise<void> {
  await connections();
  await webSockets();
  server.close();
  await until(
    () => uncaught['server close'] === 1 && uncaught['socket server close'] === 1,
    60_000,
  );
  const { watched, timers } = loop.stats();
  loop.close();
  console.log(JSON.stringify({ calls, uncaught, left: [watched, timers] }));
}

void main();
