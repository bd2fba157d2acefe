/** Options of {@link WebSocketServer}, their defaults, and the server under it. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { parseOptions } from '../base/options';
import { MAX_DELAY_MS } from '../loop/timer-wheel';
import type { ReadRate } from '../net/connection/deadlines';
import { StreamServer } from '../net/server/stream-server';
import { TcpServer, type TcpServerOptions } from '../net/server/tcp-server';
import type { FrameLimits } from './frame-decoder';
import type { Authorization } from './verdict';

/** The options of {@link TcpServer} that are passed on to a new one. */
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
 * Options of {@link WebSocketServer}. The listening options are those of {@link TcpServer}, with
 * the same defaults except `acceptTrigger`, which is `'oneshot'`, and the limits: see the README's
 * table.
 */
export interface WebSocketServerOptions extends ListenOptions, Partial<FrameLimits> {
  /**
   * A listening server instead of the listening options, for TCP or on a unix socket. Its
   * connections should be edge-triggered; limits that it was not given get the defaults of this
   * class. It is closed with this one. Other WebSocketServers, with other paths, and one
   * `serveHttp` may use it too.
   */
  server?: StreamServer;
  /**
   * Upgrade requests for this path only; others get a 404. If not given, all that no other server
   * takes.
   */
  path?: string;
  /** Subprotocols of the server; the first one that the client offers too is chosen. */
  protocols?: string[];
  /**
   * Whether this request may open a WebSocket: look at its headers (`origin`, `cookie`). A return
   * value that is not a verdict refuses it with 500 and an `error`; a verdict later than
   * `handshakeTimeoutMs` with 503 and an `error`. A client that leaves before its verdict never
   * becomes a `connection`.
   */
  authorize?: (request: IncomingMessage) => Authorization | Promise<Authorization>;
  /** The maximum of bytes of one message; 1 MiB if not given. More is refused with 1009. */
  maxMessageBytes?: number;
  /** The maximum of fragments of one message; 1,024 if not given. More are refused with 1008. */
  maxFragments?: number;
  /**
   * The interval of pings; 30,000 if not given, 0 for never. A silent client is cut this long after
   * a ping was delivered to it; one that sends or reads meanwhile and does not answer, after three
   * times that. Time in the middle of one long frame does not count: see awaited-answer.ts.
   */
  pingIntervalMs?: number;
  /**
   * The time for a client to answer our close frame after it has read the bytes before it, or for
   * which it may stop reading those; as of `pingIntervalMs`. 5,000 if not given.
   */
  closeTimeoutMs?: number;
  /** The time for a request head, and for `authorize` after it; 10,000 if not given. */
  handshakeTimeoutMs?: number;
  /** Cut a client that takes no queued bytes for this time; 10,000 if not given. */
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
 * Check `options`, and return a server: the given one, or a new one. Throws a TypeError that names
 * a wrong option, and the errors of {@link TcpServer}.
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
