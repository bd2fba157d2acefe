/**
 * Socket options by name, with values of the right type, instead of numbers and bytes. The kernel
 * may change a value: read the option back to see it.
 */
import { checkInteger, INT32_MAX, INT32_MIN, invalidType, outOfRange } from '../../base/check';
import * as constants from '../../sys/constants';
import { errnoText, SystemError } from '../../sys/errno';
import { getsockopt, setsockopt } from '../../sys/socket';

const { IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, SOL_SOCKET } = constants;

/** SO_LINGER: whether close(2) waits for unsent bytes, and how long. */
export interface Linger {
  enabled: boolean;
  /** Whole seconds; 0 and enabled makes close(2) cut the connection with a reset. */
  seconds: number;
}

/** The options and the types of their values. */
export interface SocketOptions {
  /** SO_REUSEADDR: bind although old connections of the port are in TIME_WAIT. */
  reuseAddress: boolean;
  /** SO_REUSEPORT: several sockets at one port. */
  reusePort: boolean;
  /**
   * SO_RCVBUF. The kernel cuts the value to /proc/sys/net/core/rmem_max, then doubles it for its
   * own bookkeeping, and returns the doubled value. Ends the automatic sizing of TCP.
   */
  receiveBufferBytes: number;
  /** SO_SNDBUF: as {@link receiveBufferBytes}, with wmem_max. */
  sendBufferBytes: number;
  /** SO_KEEPALIVE: the kernel finds out that an idle peer has vanished. */
  keepAlive: boolean;
  /** TCP_KEEPIDLE: idle seconds before the first probe. */
  keepAliveIdleSeconds: number;
  /** TCP_KEEPINTVL: seconds between probes. */
  keepAliveIntervalSeconds: number;
  /** TCP_KEEPCNT: unanswered probes after which the connection is dead. */
  keepAliveCount: number;
  /** TCP_NODELAY: send small writes at once. */
  noDelay: boolean;
  /** TCP_CORK: send full segments only, until it is switched off; 200 ms at most. */
  cork: boolean;
  /** TCP_QUICKACK: acknowledge at once. The kernel switches it off again by itself. */
  quickAck: boolean;
  /** TCP_DEFER_ACCEPT: accept when there is data. The kernel rounds up to its retransmissions. */
  deferAcceptSeconds: number;
  /** TCP_USER_TIMEOUT: how long sent bytes may stay unacknowledged; 0 for the system's default. */
  userTimeoutMs: number;
  /** SO_LINGER. */
  linger: Linger;
  /** SO_BROADCAST: allow datagrams to a broadcast address. */
  broadcast: boolean;
  /** IPV6_V6ONLY; before bind(2) only. */
  ipv6Only: boolean;
  /** IP_TTL: hops a packet may take, 1 to 255. */
  ttl: number;
  /** IPV6_UNICAST_HOPS: the same for IPv6; -1 sets the system's default. */
  hopLimit: number;
  /** IP_MULTICAST_TTL: hops of a multicast packet, 0 to 255; -1 sets the default, 1. */
  multicastTtl: number;
  /** IP_MULTICAST_LOOP: receive on this machine what this socket sends to a group. */
  multicastLoop: boolean;
  /** IPV6_MULTICAST_HOPS: as {@link multicastTtl}. */
  multicastHopLimit: number;
  /** IPV6_MULTICAST_LOOP: as {@link multicastLoop}. */
  multicastLoopIpv6: boolean;
  /** SO_INCOMING_CPU: the CPU on which the last packet came in; when set, the preferred CPU. */
  incomingCpu: number;
  /** SO_BUSY_POLL: microseconds of polling the device in a blocking read; more needs CAP_NET_ADMIN. */
  busyPollUs: number;
  /** SO_PASSCRED: receive SCM_CREDENTIALS with the messages of a unix socket. */
  passCredentials: boolean;
  /** SO_ACCEPTCONN: whether it listens. Read only. */
  listening: boolean;
  /** SO_ERROR: the pending errno, or 0. Read only; reading removes it. */
  error: number;
}

/** The layout of a value in memory, as C `int`s. */
interface Codec<T> {
  words: number;
  encode(name: string, value: T): Int32Array;
  decode(words: Int32Array): T;
}

interface Option<T> {
  level: number;
  option: number;
  codec: Codec<T>;
  readOnly?: true;
}

const boolean: Codec<boolean> = {
  words: 1,
  encode(name, value) {
    if (typeof value !== 'boolean') throw invalidType(name, 'a boolean', value);
    return Int32Array.of(value ? 1 : 0);
  },
  decode: (words) => words[0] !== 0,
};

function integer(min: number, max: number): Codec<number> {
  return {
    words: 1,
    encode(name, value) {
      checkInteger(name, value, min, max);
      return Int32Array.of(value);
    },
    decode: (words) => words[0] as number,
  };
}

const count = integer(0, INT32_MAX);
const positive = integer(1, INT32_MAX);
const anyInt = integer(INT32_MIN, INT32_MAX);

const linger: Codec<Linger> = {
  words: 2,
  encode(name, value) {
    if (typeof value !== 'object' || value === null) throw invalidType(name, 'an object', value);
    const { enabled, seconds } = value;
    const [on] = boolean.encode(`${name}.enabled`, enabled);
    checkInteger(`${name}.seconds`, seconds, 0, INT32_MAX);
    return Int32Array.of(on as number, seconds);
  },
  decode: ([enabled = 0, seconds = 0]) => ({ enabled: enabled !== 0, seconds }),
};

function option<T>(level: number, number: number, codec: Codec<T>): Option<T> {
  return { level, option: number, codec };
}

const OPTIONS: { [N in keyof SocketOptions]: Option<SocketOptions[N]> } = {
  reuseAddress: option(SOL_SOCKET, constants.SO_REUSEADDR, boolean),
  reusePort: option(SOL_SOCKET, constants.SO_REUSEPORT, boolean),
  receiveBufferBytes: option(SOL_SOCKET, constants.SO_RCVBUF, count),
  sendBufferBytes: option(SOL_SOCKET, constants.SO_SNDBUF, count),
  keepAlive: option(SOL_SOCKET, constants.SO_KEEPALIVE, boolean),
  keepAliveIdleSeconds: option(IPPROTO_TCP, constants.TCP_KEEPIDLE, positive),
  keepAliveIntervalSeconds: option(IPPROTO_TCP, constants.TCP_KEEPINTVL, positive),
  keepAliveCount: option(IPPROTO_TCP, constants.TCP_KEEPCNT, positive),
  noDelay: option(IPPROTO_TCP, constants.TCP_NODELAY, boolean),
  cork: option(IPPROTO_TCP, constants.TCP_CORK, boolean),
  quickAck: option(IPPROTO_TCP, constants.TCP_QUICKACK, boolean),
  deferAcceptSeconds: option(IPPROTO_TCP, constants.TCP_DEFER_ACCEPT, count),
  userTimeoutMs: option(IPPROTO_TCP, constants.TCP_USER_TIMEOUT, count),
  linger: option(SOL_SOCKET, constants.SO_LINGER, linger),
  broadcast: option(SOL_SOCKET, constants.SO_BROADCAST, boolean),
  ipv6Only: option(IPPROTO_IPV6, constants.IPV6_V6ONLY, boolean),
  ttl: option(IPPROTO_IP, constants.IP_TTL, integer(1, 255)),
  hopLimit: option(IPPROTO_IPV6, constants.IPV6_UNICAST_HOPS, integer(-1, 255)),
  multicastTtl: option(IPPROTO_IP, constants.IP_MULTICAST_TTL, integer(-1, 255)),
  multicastLoop: option(IPPROTO_IP, constants.IP_MULTICAST_LOOP, boolean),
  multicastHopLimit: option(IPPROTO_IPV6, constants.IPV6_MULTICAST_HOPS, integer(-1, 255)),
  multicastLoopIpv6: option(IPPROTO_IPV6, constants.IPV6_MULTICAST_LOOP, boolean),
  incomingCpu: option(SOL_SOCKET, constants.SO_INCOMING_CPU, anyInt),
  busyPollUs: option(SOL_SOCKET, constants.SO_BUSY_POLL, count),
  passCredentials: option(SOL_SOCKET, constants.SO_PASSCRED, boolean),
  listening: { ...option(SOL_SOCKET, constants.SO_ACCEPTCONN, boolean), readOnly: true },
  error: { ...option(SOL_SOCKET, constants.SO_ERROR, anyInt), readOnly: true },
};

/**
 * Set an option of the socket `fd`: `setSocketOption(fd, 'noDelay', true)`.
 *
 * Throws a TypeError or RangeError that names the option for a wrong value, and a {@link
 * SystemError} that names it when the kernel refuses (ENOPROTOOPT, EOPNOTSUPP: not an option of
 * this kind of socket). Does not block.
 */
export function setSocketOption<N extends keyof SocketOptions>(
  fd: number,
  name: N,
  value: SocketOptions[N],
): void {
  const { level, option, codec, readOnly } = optionOf(name);
  if (readOnly === true) throw outOfRange('name', 'an option that can be set', name);
  refuse(setsockopt(fd, level, option, codec.encode(name, value)), 'setsockopt', { fd, name });
}

/**
 * Read an option of the socket `fd`: `getSocketOption(fd, 'receiveBufferBytes')`.
 *
 * Throws as {@link setSocketOption} does. Does not block.
 */
export function getSocketOption<N extends keyof SocketOptions>(
  fd: number,
  name: N,
): SocketOptions[N] {
  const { level, option, codec } = optionOf(name);
  const words = new Int32Array(codec.words);
  refuse(getsockopt(fd, level, option, words), 'getsockopt', { fd, name });
  return codec.decode(words);
}

function optionOf<N extends keyof SocketOptions>(name: N): Option<SocketOptions[N]> {
  if (typeof name !== 'string') throw invalidType('name', 'a string', name);
  if (Object.hasOwn(OPTIONS, name)) return OPTIONS[name];
  throw outOfRange('name', `one of ${Object.keys(OPTIONS).join(', ')}`, name);
}

function refuse(outcome: number, syscall: string, where: { fd: number; name: string }): void {
  if (outcome >= 0) return;
  const reason = `option "${where.name}": ${errnoText(outcome)}`;
  throw new SystemError(syscall, outcome, { fd: where.fd, reason });
}
