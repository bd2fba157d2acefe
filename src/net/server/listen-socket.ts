/**
 * Makes listening TCP sockets: set, bound and listening; or nothing is left behind. It also takes
 * over sockets that already listen. It does not accept.
 */
import { decodeAddress, encodeAddress, type SocketAddress } from '../../sys/address';
import * as constants from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { closeOnThrow, own } from '../../sys/ownership';
import { bind, listen, socket } from '../../sys/socket';
import { LOCALHOST, unwrapAt } from '../socket/endpoint';
import { setSocketOption } from '../socket/options';
import { adoptListener, boundTo } from './inherited-listener';

const { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } = constants;

/** The settings of a listener. */
export interface AcceptSettings {
  noDelay: boolean;
  /** 0 to switch it off. */
  deferAcceptSeconds: number;
}

/** The address to listen at, and how. */
export interface ListenSettings extends AcceptSettings {
  host: string;
  port: number;
  backlog: number;
  reusePort: boolean;
  ipv6Only: boolean;
}

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
  closeOnThrow(fd, () => {
    setOptions(fd, family, settings);
    unwrapAt(bind(fd, address), 'bind', where);
    unwrapAt(listen(fd, settings.backlog), 'listen', where);
  });
  return fd;
}

/**
 * Make a listener of `fd`, which other code has bound. Throws a {@link SystemError} and leaves the
 * fd alone if it does not listen for TCP.
 */
export function adoptTcpListener(fd: number, settings: AcceptSettings): void {
  adoptListener(fd);
  boundAddress(fd);
  setAcceptOptions(fd, settings);
}

/** The address a listener is bound to. Throws EINVAL if it is not an IP address. */
export function boundAddress(fd: number): SocketAddress {
  return boundTo(fd, { decode: decodeAddress, wanted: 'bound to an IP address' });
}

function setOptions(fd: number, family: number, settings: ListenSettings): void {
  // A restarted server must be able to bind while old connections are in TIME_WAIT.
  setSocketOption(fd, 'reuseAddress', true);
  if (settings.reusePort) setSocketOption(fd, 'reusePort', true);
  if (family === AF_INET6) setSocketOption(fd, 'ipv6Only', settings.ipv6Only);
  setAcceptOptions(fd, settings);
}

function setAcceptOptions(fd: number, { noDelay, deferAcceptSeconds }: AcceptSettings): void {
  // Accepted sockets inherit it: one call here instead of one per connection.
  if (noDelay) setSocketOption(fd, 'noDelay', true);
  if (deferAcceptSeconds > 0) setSocketOption(fd, 'deferAcceptSeconds', deferAcceptSeconds);
}
