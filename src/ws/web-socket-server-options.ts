/** What can be set for a {@link WebSocketServer}, its defaults, and the server under it. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { parseOptions } from '../base/options';
import { MAX_DELAY_MS } from '../loop/timer-wheel';
import type { ReadRate } from '../net/connection/deadlines';
import { StreamServer } from '../net/server/stream-server';
import { TcpServer, type TcpServerOptions } from '../net/server/tcp-server';
import type { FrameLimits } from './frame-decoder';
import type { Authorization } from './verdict';

/** The options of {@link TcpServer} that are passed on to the one that a WebSocketServer makes. */
type ListenOptions = Pick<
  TcpServerOptions,
  | 'port'
  | 'host'
  | 'fd'
  | 'listener'
  | 'backlog'
  | 'acceptTrigger'
  | 'reusePort'
  | 'ipv6Only'
  | 'deferAcceptSeconds'
  | 'maxConnections'
  | 'maxConnectionsPerAddress'
  | 'noDelay'
  | 'highWaterMark'
  | 'maxQueuedBytes'
  | 'readQuantumBytes'
  | 'writeQuantumBytes'
  | 'idleTimeoutMs'
  | 'lifetimeMs'
  | 'loop'
>;

/**
 * Options of {@link WebSocketServer}. How to listen is said as for {@link TcpServer}, with the same
 * defaults but for `acceptTrigger`, which is `'oneshot'`, and for limits: those of the README's table.
 */
export interface WebSocketServerOptions extends ListenOptions, Partial<FrameLimits> {
  /**
   * Instead of all that says how to listen: a server that does, for TCP or on a unix socket. Its
   * connections should be edge-triggered; the limits that it was not given are those of a server of
   * one's own. It is closed with this one.
   * Other WebSocketServers, with other paths, and one `serveHttp` may use it too.
   */
  server?: StreamServer;
  /** Upgrade requests for this path only; others get a 404. All that are nobody else's if not given. */
  path?: string;
  /** Subprotocols the server speaks; the first that the client offers too is agreed on. */
  protocols?: string[];
  /**
   * Whether this request may open a WebSocket: look at its headers (`origin`, `cookie`). What is no
   * verdict refuses it with 500 and an `error`; one that does not come within `handshakeTimeoutMs`,
   * with 503 and an `error`. A client that leaves before its verdict is never a `connection`.
   */
  authorize?: (request: IncomingMessage) => Authorization | Promise<Authorization>;
  /** Bytes of one message, at most; 1 MiB if not given. More is refused with 1009. */
  maxMessageBytes?: number;
  /** Fragments of one message, at most; 1,024 if not given. More are refused with 1008. */
  maxFragments?: number;
  /**
   * Ping so often; 30,000 if not given, 0 for never. A silent client is cut so long after a ping was
   * delivered to it; one that sends or reads meanwhile and does not answer, after three times that.
   * Time in which it is in the middle of one long frame does not count: see awaited-answer.ts.
   */
  pingIntervalMs?: number;
  /**
   * How long a client may take to answer our close frame once it has read what stands before, or
   * for which it may stop to read that; as of `pingIntervalMs`. 5,000 if not given.
   */
  closeTimeoutMs?: number;
  /** How long a request head may take, and `authorize` after it; 10,000 if not given. */
  handshakeTimeoutMs?: number;
  /** Cut a client that takes nothing of what is queued for so long; 10,000 if not given. */
  writeTimeoutMs?: number;
  /**
   * Cut a client that sends its request more slowly; 100 bytes a second over a minute if not given,
   * null for no minimum. An open WebSocket owes nothing: see `pingIntervalMs`.
   */
  minReadRate?: ReadRate | null;
}

/** The default of node:http's requestTimeout, which headersTimeout must not exceed. */
const REQUEST_TIMEOUT_MS = 300_000;

const timeoutMs = z.int().min(0).max(MAX_DELAY_MS);

/** Passed on if given; {@link TcpServer} checks them, and has the defaults. */
const LISTEN_OPTIONS = [
  'port',
  'host',
  'fd',
  'listener',
  'backlog',
  'acceptTrigger',
  'reusePort',
  'ipv6Only',
  'deferAcceptSeconds',
  'maxConnections',
  'maxConnectionsPerAddress',
  'noDelay',
  'highWaterMark',
  'maxQueuedBytes',
  'readQuantumBytes',
  'writeQuantumBytes',
  'idleTimeoutMs',
  'lifetimeMs',
  'minReadRate',
  'writeTimeoutMs',
  'loop',
] as const satisfies (keyof TcpServerOptions)[];

const ownFields = {
  path: z.string().startsWith('/').optional(),
  protocols: z.array(z.string().min(1)).default([]),
  authorize: z
    .custom<NonNullable<WebSocketServerOptions['authorize']>>(
      (value) => typeof value === 'function',
      { error: 'expected a function' },
    )
    .optional(),
  maxMessageBytes: z
    .int()
    .min(1)
    .max(0x7fff_ffff)
    .default(1024 * 1024),
  maxFragments: z.int().min(1).default(1024),
  pingIntervalMs: timeoutMs.default(30_000),
  closeTimeoutMs: timeoutMs.min(1).default(5_000),
  handshakeTimeoutMs: timeoutMs.min(1).max(REQUEST_TIMEOUT_MS).default(10_000),
};

const onServerSchema = z.strictObject({ ...ownFields, server: z.instanceof(StreamServer) });
const ownSchema = z.object(ownFields);
const listeningSchema = z.strictObject({
  ...ownFields,
  server: z.undefined().optional(),
  ...Object.fromEntries(LISTEN_OPTIONS.map((name) => [name, z.unknown().optional()])),
});

/** Checked options, with the defaults. */
export type WebSocketServerSettings = z.output<typeof ownSchema>;

/**
 * Check `options`, and have a server: the one that is given, or a new one. Throws a TypeError that
 * names a wrong option, and what {@link TcpServer} throws.
 */
export function openServer(options: WebSocketServerOptions): {
  settings: WebSocketServerSettings;
  server: StreamServer;
} {
  if (options?.server !== undefined) {
    const { server, ...settings } = parseOptions('WebSocketServer', onServerSchema, options);
    return { settings, server };
  }
  const settings = ownSchema.parse(parseOptions('WebSocketServer', listeningSchema, options));
  return { settings, server: new TcpServer(listenOptions(options)) };
}

function listenOptions(options: WebSocketServerOptions): TcpServerOptions {
  const given = LISTEN_OPTIONS.filter((name) => options[name] !== undefined);
  return {
    ...(options.listener === undefined ? { acceptTrigger: 'oneshot' } : {}),
    ...Object.fromEntries(given.map((name) => [name, options[name]])),
    trigger: 'edge',
  };
}
