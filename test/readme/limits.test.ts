/** The README's table of limits says what holds: what is made without options is asked for its own. */
import { readFileSync } from 'node:fs';
import { createServer, maxHeaderSize } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { join } from 'node:path';
import {
  CONNECTIONS_OF_FDS,
  HTTP_LIMITS,
  KEEP_ALIVE,
  MIN_READ_RATE,
  WEB_SOCKET_LIMITS,
} from '../../src/http/server/default-limits';
import { MAX_WAITING } from '../../src/http/server/request-gate';
import { connectionOptionsSchema } from '../../src/net/connection/options';
import { openServer } from '../../src/ws/web-socket-server-options';
import { ROOT } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';

expectNoFdLeaks();

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const section = readme.slice(readme.indexOf('\n#### limits\n')).split(/\n#{2,4} /, 2)[1] as string;
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| limit'))
  .map((line) => line.slice(2, -2).split(' | '));

const text = (value: number): string => (value === 0 ? 'none' : value.toLocaleString('en'));

test('the table of limits', () => {
  const http = createServer();
  const https = createSecureServer();
  const { settings: ws, server } = openServer({ port: 0 });
  server.destroy();
  const connection = connectionOptionsSchema.parse({});
  const { bytesPerSecond, windowMs = 0 } = MIN_READ_RATE;
  const rate = `${bytesPerSecond} B/s over ${text(windowMs)}`;
  const { idleSeconds, count, intervalSeconds } = KEEP_ALIVE;
  const keepAlive = `${idleSeconds} s + ${count} x ${intervalSeconds} s`;
  const { maxQueuedBytes, idleTimeoutMs, lifetimeMs } = connection;
  // As node:https has it if nothing is given; there is no property of it.
  const handshake = text(120_000);
  const pings = `${text(ws.pingIntervalMs)}, ${text(ws.closeTimeoutMs)}`;
  const messages = `${text(ws.maxMessageBytes)}, ${text(ws.maxFragments)}`;
  expect(CONNECTIONS_OF_FDS).toBe(3 / 4);
  expect(https.headersTimeout).toBe(http.headersTimeout);
  expect(http.keepAliveTimeout).toBeGreaterThanOrEqual(5_000);
  expect(idleTimeoutMs + lifetimeMs).toBe(0);
  const wanted: Record<string, string[]> = {
    maxConnections: [
      text(HTTP_LIMITS.maxConnections),
      text(WEB_SOCKET_LIMITS.maxConnections),
      'none',
    ],
    writeTimeoutMs: [
      text(HTTP_LIMITS.writeTimeoutMs),
      text(WEB_SOCKET_LIMITS.writeTimeoutMs),
      text(http.timeout),
    ],
    minReadRate: [rate, rate, 'none'],
    'TCP keep-alive': [keepAlive, keepAlive, 'off'],
    headersTimeout: [
      text(http.headersTimeout),
      text(ws.handshakeTimeoutMs),
      text(http.headersTimeout),
    ],
    requestTimeout: Array(3).fill(text(http.requestTimeout)),
    keepAliveTimeout: ["node's", "node's", '5,000 or more'],
    handshakeTimeout: [handshake, 'none', handshake],
    maxHeaderSize: Array(3).fill(text(maxHeaderSize)),
    'requests of a client': [text(MAX_WAITING), text(MAX_WAITING), 'none'],
    pingIntervalMs: ['none', pings, 'none'],
    maxMessageBytes: ['none', messages, 'none'],
    'bytes of a body': ['none', 'none', 'none'],
    idleTimeoutMs: ['none', 'none', 'none'],
    maxQueuedBytes: [text(maxQueuedBytes), text(maxQueuedBytes), 'none'],
  };
  const found = rows.map(([name = '', ...cells]) => [
    Object.keys(wanted).find((key) => name.replace('`', '').startsWith(key)) ?? name,
    cells.slice(0, 3),
  ]);
  expect(Object.fromEntries(found)).toEqual(wanted);
  for (const row of rows) expect(row).toHaveLength(5);
});
