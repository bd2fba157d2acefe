/**
 * A TCP server. Listening begins in the constructor, and a port that cannot be had is an exception
 * there. The server decides nothing about what is said on a connection; see ../ws for one that does.
 */
import { z } from 'zod';
import { EventLoop } from '../loop/event-loop';
import { parseOptions } from '../loop/options';
import type { SocketAddress } from '../sys/address';
import * as constants from '../sys/constants';
import type { AcceptTrigger } from './acceptor';
import { type ConnectionOptions, connectionOptionFields } from './connection-options';
import { boundAddress, listenSocket } from './listen-socket';
import { StreamServer, type StreamServerEvents } from './stream-server';

/** Options of {@link TcpServer}. */
export interface TcpServerOptions extends ConnectionOptions {
  /** The port, 0 for one that is free; see {@link TcpServer.port}. */
  port: number;
  /**
   * The IP address to listen at; `127.0.0.1` if not given. `0.0.0.0` is all of IPv4, `::` is all of
   * both unless `ipv6Only`. Names other than `localhost` are not looked up.
   */
  host?: string;
  /** Connections the kernel keeps until they are accepted; 4,096 if not given. */
  backlog?: number;
  /** How the listener is watched: `'level'`, the default, `'edge'` or `'oneshot'`. */
  acceptTrigger?: AcceptTrigger;
  /** SO_REUSEPORT: several sockets at one port, among which the kernel shares out connections. */
  reusePort?: boolean;
  /** IPV6_V6ONLY; false if not given. */
  ipv6Only?: boolean;
  /** TCP_NODELAY on every connection; true if not given. */
  noDelay?: boolean;
  /** The loop that does the work; this thread's default loop if not given. */
  loop?: EventLoop;
}

/** The fields of {@link TcpServerOptions} for the schemas of servers built on this one. */
export const tcpServerOptionFields = {
  ...connectionOptionFields,
  port: z.int().min(0).max(65_535),
  host: z
    .union([z.literal('localhost'), z.ipv4(), z.ipv6()], { error: 'expected an IP address' })
    .default('127.0.0.1'),
  backlog: z.int().min(1).max(0x7fff_ffff).default(constants.SOMAXCONN),
  acceptTrigger: z.enum(['level', 'edge', 'oneshot']).default('level'),
  reusePort: z.boolean().default(false),
  ipv6Only: z.boolean().default(false),
  noDelay: z.boolean().default(true),
  loop: z.instanceof(EventLoop).optional(),
};

const optionsSchema = z.strictObject(tcpServerOptionFields);

/** Events of {@link TcpServer}. */
export type TcpServerEvents = StreamServerEvents;

/** Listens at one address. */
export class TcpServer extends StreamServer {
  readonly #address: SocketAddress;

  /**
   * Listen. Throws a TypeError that names a wrong option, and a {@link SystemError} with address and
   * port when the address cannot be had (EADDRINUSE, EACCES, EADDRNOTAVAIL).
   */
  constructor(options: TcpServerOptions) {
    const checked = parseOptions('TcpServer', optionsSchema, options);
    const fd = listenSocket(checked);
    super(fd, { ...checked, loop: checked.loop });
    this.#address = boundAddress(fd) as SocketAddress;
  }

  /** Where the server listens. */
  get address(): SocketAddress {
    return this.#address;
  }

  /** The port, also if 0 was asked for. */
  get port(): number {
    return this.#address.port;
  }
}
