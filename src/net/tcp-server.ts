/**
 * A TCP server: a listening socket, an acceptor, and the connections that are open.
 *
 * Listening begins in the constructor, and a port that cannot be had is an exception there. The
 * server decides nothing about what is said on a connection; see ../ws for one that does.
 */
import { EventEmitter } from 'eventemitter3';
import { z } from 'zod';
import { defaultLoop } from '../loop/default-loop';
import { EventLoop } from '../loop/event-loop';
import { parseOptions } from '../loop/options';
import type { SocketAddress } from '../sys/address';
import * as constants from '../sys/constants';
import { unwrap } from '../sys/errno';
import { closeOwned } from '../sys/ownership';
import { type AcceptHandler, Acceptor, type AcceptTrigger } from './acceptor';
import {
  type ConnectionOptions,
  type ConnectionOwner,
  type ConnectionSettings,
  connectionOptionFields,
  connectionSettings,
} from './connection-options';
import { boundAddress, listenSocket } from './listen-socket';
import { TcpConnection } from './tcp-connection';

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
export interface TcpServerEvents {
  /** A connection was accepted. Attach listeners now: its data comes with the next turn. */
  connection: [connection: TcpConnection];
  /** A connection could not be accepted (EMFILE); the server goes on. Need not be listened to. */
  error: [error: Error];
  /** Closed, and the last connection is gone. */
  close: [];
}

/** `listening`: takes connections. `closing`: waits for the last one to go. `closed`. */
type ServerState = 'listening' | 'closing' | 'closed';

/** Listens at one address. */
export class TcpServer
  extends EventEmitter<TcpServerEvents>
  implements AcceptHandler, ConnectionOwner<TcpConnection>
{
  readonly #fd: number;
  readonly #acceptor: Acceptor;
  readonly #settings: ConnectionSettings<TcpConnection>;
  readonly #address: SocketAddress;
  readonly #connections = new Set<TcpConnection>();
  #state: ServerState = 'listening';

  /**
   * Listen. Throws a TypeError that names a wrong option, and a {@link SystemError} with address and
   * port when the address cannot be had (EADDRINUSE, EACCES, EADDRNOTAVAIL).
   */
  constructor(options: TcpServerOptions) {
    super();
    const checked = parseOptions('TcpServer', optionsSchema, options);
    const loop = checked.loop ?? defaultLoop();
    this.#settings = connectionSettings(checked, { loop, owner: this });
    this.#fd = listenSocket(checked);
    try {
      this.#address = boundAddress(this.#fd) as SocketAddress;
      this.#acceptor = new Acceptor(this.#fd, {
        loop,
        trigger: checked.acceptTrigger,
        handler: this,
      });
    } catch (error) {
      closeOwned(this.#fd);
      throw error;
    }
  }

  /** Where the server listens. */
  get address(): SocketAddress {
    return this.#address;
  }

  /** The port, also if 0 was asked for. */
  get port(): number {
    return this.#address.port;
  }

  /** The loop that does the work. */
  get loop(): EventLoop {
    return this.#settings.loop;
  }

  /** The connections that are open. */
  get connections(): ReadonlySet<TcpConnection> {
    return this.#connections;
  }

  get listening(): boolean {
    return this.#state === 'listening';
  }

  /** Take no more connections. The open ones go on; `close` is told when the last has gone. */
  close(): void {
    if (this.#state !== 'listening') return;
    this.#state = 'closing';
    this.#acceptor.close();
    unwrap(closeOwned(this.#fd), 'close', { fd: this.#fd });
    this.#closeWhenEmpty();
  }

  /** As {@link close}, and cut every connection. */
  destroy(): void {
    this.close();
    for (const connection of [...this.#connections]) connection.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** Hold the process open while listening; the default. */
  ref(): void {
    this.#acceptor.ref();
  }

  /** Do not hold the process open. Connections still do. */
  unref(): void {
    this.#acceptor.unref();
  }

  /** For the acceptor. */
  onAccept(fd: number): void {
    const connection = new TcpConnection(fd, this.#settings);
    this.#connections.add(connection);
    this.emit('connection', connection);
  }

  /** For a connection. */
  onConnectionClose(connection: TcpConnection): void {
    this.#connections.delete(connection);
    if (this.#state === 'closing') this.#closeWhenEmpty();
  }

  /** For the acceptor. */
  onAcceptError(error: Error): void {
    this.emit('error', error);
  }

  /** For the acceptor: the loop was closed, and cuts the connections itself. */
  onRevoked(): void {
    this.close();
  }

  #closeWhenEmpty(): void {
    if (this.#connections.size > 0) return;
    this.#state = 'closed';
    // Later, so that a caller of close() can still attach a listener.
    process.nextTick(() => this.emit('close'));
  }
}
