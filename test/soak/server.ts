/**
 * The server of the soak: every kind of server on one loop, in a process that is forked by main.ts
 * and answers its messages: `report` with what is open now, `stop` with its end.
 */
import { openSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveHttp } from '../../src/http/server/serve-http';
import { EventLoop } from '../../src/loop/event-loop';
import type { TcpConnection } from '../../src/net/connection/tcp-connection';
import { TcpServer } from '../../src/net/server/tcp-server';
import { UnixServer } from '../../src/net/server/unix-server';
import { setSocketOption } from '../../src/net/socket/options';
import type { SystemError } from '../../src/sys/errno';
import { WebSocketServer } from '../../src/ws/web-socket-server';
import { type Places, type ServerReport, STEADY_BYTES } from './messages';

const WRITE_TIMEOUT_MS = 1_000;
const IDLE_TIMEOUT_MS = 3_000;

const loop = new EventLoop();
const errors: Record<string, number> = {};
let accepted = 0;
let bytes = 0;

const note = (error: Error | undefined): void => {
  if (error === undefined) return;
  const code = (error as SystemError).code ?? error.name;
  errors[code] = (errors[code] ?? 0) + 1;
};
const onClose = (connection: TcpConnection, error: Error | undefined): void => {
  bytes += connection.bytesRead + connection.bytesWritten;
  note(error);
};
const count = (): void => {
  accepted += 1;
};
process.on('uncaughtException', (error) => note(Object.assign(error, { code: 'uncaught' })));

const echo = {
  onData: (connection: TcpConnection, chunk: Buffer) => void connection.write(chunk),
  onClose,
};
const level = new TcpServer({ port: 0, loop, handler: echo, idleTimeoutMs: IDLE_TIMEOUT_MS });
const edge = new TcpServer({
  ...{ port: 0, loop, handler: echo, idleTimeoutMs: IDLE_TIMEOUT_MS },
  ...{ trigger: 'edge', acceptTrigger: 'edge' },
});
/** Sends without end to who does not read. */
const block = Buffer.alloc(16 * 1024, 'x');
const pour = (connection: TcpConnection): void => {
  while (connection.write(block));
};
const source = new TcpServer({
  ...{ port: 0, loop, writeTimeoutMs: WRITE_TIMEOUT_MS },
  handler: { onData: () => {}, onDrain: pour, onClose },
});
source.on('connection', (connection) => {
  setSocketOption(connection.fd, 'sendBufferBytes', 8_192);
  pour(connection);
});
/**
 * Sends one large write to who reads it slowly and steadily: all of it takes several times the
 * deadline.
 */
const whole = Buffer.alloc(STEADY_BYTES, 'x');
const steady = new TcpServer({
  ...{ port: 0, loop, writeTimeoutMs: WRITE_TIMEOUT_MS, idleTimeoutMs: WRITE_TIMEOUT_MS },
  handler: { onData: () => {}, onClose },
});
steady.on('connection', (connection) => {
  setSocketOption(connection.fd, 'sendBufferBytes', 32 * 1024);
  connection.end(whole);
});
const path = join(tmpdir(), `epoll-ffi-soak-${process.pid}.sock`);
const unix = new UnixServer({ path, loop, handler: echo });
const webSocket = new WebSocketServer({
  port: 0,
  loop,
  pingIntervalMs: 2_000,
  authorize: ({ url }) =>
    url !== '/slow' || new Promise((resolve) => setTimeout(resolve, 20, true)),
});
webSocket.on('connection', (socket) => {
  socket.on('message', (data) => socket.send(data));
  socket.on('error', note);
});
const http = new TcpServer({ port: 0, loop });
serveHttp(
  http,
  { headersTimeout: 2_000, connectionsCheckingInterval: 500 },
  (request, response) => {
    const answer = `you asked for ${request.url}${request.url === '/long' ? block : ''}`;
    if (request.url === '/late') setTimeout(() => response.end(answer), 20);
    else response.end(answer);
  },
);

/** Sends the range of this script that it is asked for, `offset length`, and ends. */
const script = openSync(__filename, 'r');
const file = new TcpServer({
  ...{ port: 0, loop, trigger: 'edge' },
  handler: {
    onData(connection, chunk) {
      const [offset = 0, length = 0] = chunk.toString().split(' ').map(Number);
      connection.sendFile(script, { offset, length });
      connection.end();
    },
    onClose,
  },
});

const servers = [level, edge, source, steady, unix, http, file];
for (const server of servers) server.on('connection', count).on('error', note);
webSocket.on('connection', count).on('error', note);

function report(): ServerReport {
  // What is garbage is no leak.
  (globalThis as { gc?: () => void }).gc?.();
  const { watched, timers, staleEvents, turns, events } = loop.stats();
  const { rss, heapUsed, external } = process.memoryUsage();
  const open = servers.reduce((sum, { connections }) => sum + connections.size, 0);
  return {
    ...{ fds: readdirSync('/proc/self/fd').length, watched, timers, rss, heapUsed, external },
    ...{ open: open + webSocket.clients.size, accepted, bytes, errors },
    ...{ staleEvents, turns, events, cpuMs: cpuMs() },
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

process.on('message', (message) => {
  if (message === 'report') process.send?.(report());
  else process.exit();
});
process.on('exit', () => {
  for (const server of servers) server.destroy();
  webSocket.destroy();
});
process.on('disconnect', () => process.exit());
const places: Places = {
  ...{ level: level.port, edge: edge.port, source: source.port, http: http.port },
  steady: steady.port,
  file: file.port,
  ...{ webSocket: webSocket.port, unix: path },
};
process.send?.(places);
