/** Makes listening TCP sockets: set, bound and listening, or nothing left behind. No accepting. */
import { ADDRESS_BYTES, decodeAddress, encodeAddress, type SocketAddress } from '../sys/address';
import * as constants from '../sys/constants';
import { unwrap } from '../sys/errno';
import { orClose, own } from '../sys/ownership';
import { bind, getsockname, listen, setsockopt, socket } from '../sys/socket';
import { unwrapAt } from './endpoint';

const { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;
const { IPPROTO_IPV6, IPPROTO_TCP, IPV6_V6ONLY, SOL_SOCKET, SO_REUSEADDR, SO_REUSEPORT } =
  constants;
const { TCP_NODELAY } = constants;

/** Where and how to listen. */
export interface ListenSettings {
  host: string;
  port: number;
  backlog: number;
  reusePort: boolean;
  ipv6Only: boolean;
  noDelay: boolean;
}

/** What people write for the loopback address; other names are for `node:dns`. */
export const LOCALHOST = 'localhost';

/**
 * A non-blocking listening socket. Throws a {@link SystemError} with the address: EADDRINUSE,
 * EACCES, EADDRNOTAVAIL.
 */
export function listenSocket(settings: ListenSettings): number {
  const host = settings.host === LOCALHOST ? '127.0.0.1' : settings.host;
  const address = encodeAddress({ address: host, port: settings.port });
  const family = host.includes(':') ? AF_INET6 : AF_INET;
  const where = { address: host, port: settings.port };
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = own(unwrap(socket(family, type, 0), 'socket', where));
  orClose(fd, () => {
    setOptions(fd, family, settings);
    unwrapAt(bind(fd, address), 'bind', where);
    unwrapAt(listen(fd, settings.backlog), 'listen', where);
  });
  return fd;
}

/** The address a socket is bound to; null if it is not an IP address. */
export function boundAddress(fd: number): SocketAddress | null {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  unwrap(getsockname(fd, bytes), 'getsockname', { fd });
  return decodeAddress(bytes);
}

function setOptions(fd: number, family: number, settings: ListenSettings): void {
  const set = (level: number, name: number, on: boolean): void => {
    unwrap(setsockopt(fd, level, name, Int32Array.of(on ? 1 : 0)), 'setsockopt', { fd });
  };
  // A restarted server must be able to bind while old connections are in TIME_WAIT.
  set(SOL_SOCKET, SO_REUSEADDR, true);
  if (settings.reusePort) set(SOL_SOCKET, SO_REUSEPORT, true);
  if (family === AF_INET6) set(IPPROTO_IPV6, IPV6_V6ONLY, settings.ipv6Only);
  // Accepted sockets inherit it: one call here instead of one per connection.
  if (settings.noDelay) set(IPPROTO_TCP, TCP_NODELAY, true);
}
