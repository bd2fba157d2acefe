/**
 * Options of {@link connect}, their defaults, and the endpoints of both sides. Names of hosts are
 * refused here: look them up with `node:dns`.
 */
import { z } from 'zod';
import { outOfRange } from '../../base/check';
import { signalField } from '../../base/option-fields';
import { parseOptions } from '../../base/options';
import { EventLoop } from '../../loop/event-loop';
import { MAX_DELAY_MS } from '../../loop/timer-wheel';
import { ipVersion } from '../../sys/address';
import type { StreamConnection } from '../connection/connection';
import { type ConnectionOptions, connectionOptionFields } from '../connection/options';
import { type Endpoint, familyOf, LOCALHOST } from '../socket/endpoint';

/** The options that both kinds of {@link ConnectOptions} have. */
interface CommonOptions extends ConnectionOptions<StreamConnection> {
  /**
   * Milliseconds until the attempt fails with ETIMEDOUT; 0, the default, leaves it to the kernel,
   * which takes two minutes (tcp_syn_retries of tcp(7)).
   */
  connectTimeoutMs?: number;
  /** Give up when this is aborted, with its reason. No effect once connected. */
  signal?: AbortSignal;
  /** The loop that does the work; this thread's default loop if not given. */
  loop?: EventLoop;
}

/** A server to connect to by TCP, and how. */
export interface TcpConnectOptions extends CommonOptions {
  /**
   * The IP address of the server; `127.0.0.1` if not given. Names other than `localhost` are not
   * looked up: `(await dns.promises.lookup(name)).address`.
   */
  host?: string;
  /** The same as `host`, by its name in a {@link SocketAddress}. */
  address?: string;
  port: number;
  /** The IP address to connect from, one of this machine; the kernel's choice if not given. */
  localAddress?: string;
  /** The port to connect from; 0, the default, for any free port. */
  localPort?: number;
  /** TCP_NODELAY; true if not given. */
  noDelay?: boolean;
}

/** A server to connect to on this machine, and how. */
export interface UnixConnectOptions extends CommonOptions {
  /** The path of the server's socket; or, beginning with NUL, its abstract name. */
  path: string;
}

/** Options of {@link connect}. */
export type ConnectOptions = TcpConnectOptions | UnixConnectOptions;

const PORT_MAX = 65_535;

const commonFields = {
  ...connectionOptionFields,
  connectTimeoutMs: z.number().min(0).max(MAX_DELAY_MS).default(0),
  signal: signalField.optional(),
  loop: z.instanceof(EventLoop).optional(),
};

const tcpSchema = z
  .strictObject({
    ...commonFields,
    host: z.string().optional(),
    address: z.string().optional(),
    port: z.int().min(1).max(PORT_MAX),
    localAddress: z.string().optional(),
    localPort: z.int().min(0).max(PORT_MAX).default(0),
    noDelay: z.boolean().default(true),
  })
  .refine(({ host, address }) => host === undefined || address === undefined, {
    path: ['address'],
    error: 'expected either host or address',
  });

const unixSchema = z.strictObject({ ...commonFields, path: z.string().min(1) });

/** Checked options, with the endpoints. */
export interface ConnectPlan extends z.output<z.ZodObject<typeof commonFields>> {
  /** The server. */
  readonly remote: Endpoint;
  /** The address to bind to before connecting; null for none. */
  readonly local: Endpoint | null;
  readonly noDelay: boolean;
}

/**
 * Check `options` and fill in the defaults. Throws a TypeError that names a wrong option, and a
 * RangeError for a host that is not an IP address.
 */
export function connectPlan(options: ConnectOptions): ConnectPlan {
  if ((options as Partial<UnixConnectOptions> | null | undefined)?.path !== undefined) {
    const { path, ...settings } = parseOptions('connect', unixSchema, options);
    return { ...settings, remote: { path }, local: null, noDelay: false };
  }
  const { host, address, port, localAddress, localPort, ...settings } = parseOptions(
    'connect',
    tcpSchema,
    options,
  );
  const name = address === undefined ? 'host' : 'address';
  const remote = { address: numeric(name, address ?? host ?? LOCALHOST), port };
  return { ...settings, remote, local: localEndpoint(remote, localAddress, localPort) };
}

function numeric(option: string, host: string): string {
  const address = host === LOCALHOST ? '127.0.0.1' : host;
  if (ipVersion(address) !== 0) return address;
  const range = `an IP address or ${LOCALHOST} (names are not looked up here, but by node:dns)`;
  throw outOfRange(option, range, host);
}

function localEndpoint(
  remote: Endpoint,
  localAddress: string | undefined,
  port: number,
): Endpoint | null {
  const family = familyOf(remote);
  if (localAddress === undefined) {
    return port === 0 ? null : { address: family === 'IPv6' ? '::' : '0.0.0.0', port };
  }
  const local = { address: numeric('localAddress', localAddress), port };
  if (familyOf(local) === family) return local;
  throw outOfRange('localAddress', `an ${family} address, as the server's is`, localAddress);
}
