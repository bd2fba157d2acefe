/**
 * A TCP server. It listens from the constructor on, which throws if it cannot have the port. The
 * server knows nothing of the protocol on a connection; see ../ws for one that does.
 */
import { z } from 'zod';
import { INT32_MAX, refuseExtra } from '../../base/check';
import { parseOptions } from '../../base/options';
import { EventLoop } from '../../loop/event-loop';
import { ipVersion, type SocketAddress } from '../../sys/address';
import * as constants from '../../sys/constants';
import { closeOnThrow } from '../../sys/ownership';
import type { StreamConnection } from '../connection/connection';
import { type ConnectionOptions, connectionOptionFields } from '../connection/options';
import { LOCALHOST } from '../socket/endpoint';
import { ACCEPT_TRIGGERS, type AcceptTrigger } from './acceptor';
import { inheritedFd, notWithFd } from './inherited-listener';
import { givenOf, maxConnectionsField } from './limits';
import { adoptTcpListener, boundAddress, listenSocket } from './listen-socket';
import { type Listener, listenerField, notWithListener } from './listener';
import { limitByAddress } from './peer-limit';
import { StreamServer, type StreamServerEvents } from './stream-server';

/** Options of {@link TcpServer}. */
export interface TcpServerOptions extends ConnectionOptions<StreamConnection> {
  /** The port, 0 for one that is free; see {@link TcpServer.port}. Must be given, or `fd`. */
  port?: number;
  /**
   * The IP address to listen at; `127.0.0.1` if not given (not as in `node:net`; in a container use
   * `0.0.0.0` or `::`). `0.0.0.0` is all of IPv4, `::` is all of both unless `ipv6Only`;
   * `fe80::1%eth0` has the interface as its zone. Names other than `localhost` are not looked up.
   */
  host?: string;
  /** Connections the kernel keeps until they are accepted; 4,096 if not given. */
  backlog?: number;
  /** How the listener is watched: `'level'`, the default, `'edge'`, `'oneshot'` or `'exclusive'`. */
  acceptTrigger?: AcceptTrigger;
  /**
   * SO_REUSEPORT: several sockets at one port, among which the kernel distributes connections. Not
   * enough to replace a server without loss: closing a listener resets the connections in its
   * backlog. Pass `fd` to the successor instead, see {@link StreamServer.shutdown}.
   */
  reusePort?: boolean;
  /** IPV6_V6ONLY; false if not given. */
  ipv6Only?: boolean;
  /**
   * Instead of `port` and all options above but the trigger: a socket that already listens, from
   * {@link listenFds} or {@link receiveFds}. It is closed with the server.
   */
  fd?: number;
  /** Instead of all that says how to listen: the {@link Reactor.listener} of a thread of a pool. */
  listener?: Listener;
  /**
   * TCP_DEFER_ACCEPT: accept a client when it has sent something, or after about this time. 0, the
   * default, for at once. The kernel rounds up to the times of its retransmissions: 1, 3, 7 s.
   */
  deferAcceptSeconds?: number;
  /**
   * The maximum of open connections. More are accepted and closed at once, so that the client
   * knows; see the event `drop`. If not given, or Infinity, only fds limit them; a server that
   * speaks HTTP has a default.
   */
  maxConnections?: number;
  /**
   * The maximum of open connections of one address, as {@link maxConnections}. An IPv6 address
   * counts as its whole /64, an IPv4 one that is mapped into IPv6 as itself. No limit if not given.
   */
  maxConnectionsPerAddress?: number;
  /** TCP_NODELAY on every connection; true if not given. */
  noDelay?: boolean;
  /** The loop that does the work; this thread's default loop if not given. */
  loop?: EventLoop;
}

const NO_HOST = 'expected an IP address';

/** The fields of {@link TcpServerOptions} for the schemas of servers built on this one. */
export const tcpServerOptionFields = {
  ...connectionOptionFields,
  port: z.int().min(0).max(65_535),
  host: z
    .string({ error: NO_HOST })
    .refine((host) => host === LOCALHOST || ipVersion(host) !== 0, { error: NO_HOST })
    .default('127.0.0.1'),
  backlog: z.int().min(1).max(INT32_MAX).default(constants.SOMAXCONN),
  acceptTrigger: z.enum(ACCEPT_TRIGGERS).default('level'),
  reusePort: z.boolean().default(false),
  ipv6Only: z.boolean().default(false),
  deferAcceptSeconds: z.int().min(0).max(INT32_MAX).default(0),
  maxConnections: maxConnectionsField,
  maxConnectionsPerAddress: z.int().min(1).optional(),
  noDelay: z.boolean().default(true),
  loop: z.instanceof(EventLoop).optional(),
};

const absent = z.undefined().optional();
const optionsSchema = z.strictObject({ ...tcpServerOptionFields, fd: absent, listener: absent });
const inheritedSchema = z.strictObject({
  ...tcpServerOptionFields,
  port: notWithFd,
  host: notWithFd,
  backlog: notWithFd,
  reusePort: notWithFd,
  ipv6Only: notWithFd,
  fd: inheritedFd,
  listener: absent,
});
const sharedSchema = z.strictObject({
  ...tcpServerOptionFields,
  port: notWithListener,
  host: notWithListener,
  backlog: notWithListener,
  reusePort: notWithListener,
  ipv6Only: notWithListener,
  fd: notWithListener,
  listener: listenerField,
});

/** Events of {@link TcpServer}. */
export type TcpServerEvents = StreamServerEvents;

/** Listens at one address. */
export class TcpServer extends StreamServer {
  readonly #address: SocketAddress;

  /**
   * Listen. Throws a TypeError that names a wrong option, and a {@link SystemError} with address
   * and port if the address cannot be bound (EADDRINUSE, EACCES, EADDRNOTAVAIL). An `fd` that does
   * not listen for TCP is refused with EBADF, ENOTSOCK or EINVAL, and left open.
   */
  constructor(options: TcpServerOptions, noCallback?: never) {
    refuseExtra('new TcpServer', noCallback, 'listen to "connection"; it listens already');
    const { fd, checked } = opened(options);
    const { maxConnectionsPerAddress: perAddress, loop } = checked;
    const peerLimit = perAddress === undefined ? null : limitByAddress(perAddress);
    const { maxConnections } = checked;
    super(fd, { ...checked, loop, peerLimit, maxConnections, given: givenOf(options) });
    this.#address = boundAddress(fd);
  }

  /** The address at which the server listens. */
  get address(): SocketAddress {
    return this.#address;
  }

  /** The port, also if the option was 0. */
  get port(): number {
    return this.#address.port;
  }
}

function opened(options: TcpServerOptions) {
  if (options?.listener !== undefined) return shared(options);
  return options?.fd === undefined ? listening(options) : inherited(options);
}

function listening(options: TcpServerOptions) {
  const checked = parseOptions('TcpServer', optionsSchema, options);
  return { checked, fd: listenSocket(checked) };
}

function inherited(options: TcpServerOptions) {
  const checked = parseOptions('TcpServer', inheritedSchema, options);
  adoptTcpListener(checked.fd, checked);
  return { checked, fd: checked.fd };
}

function shared(options: TcpServerOptions) {
  const checked = parseOptions('TcpServer', sharedSchema, options);
  const fd = checked.listener.open();
  closeOnThrow(fd, () => adoptTcpListener(fd, checked));
  return { checked, fd };
}
