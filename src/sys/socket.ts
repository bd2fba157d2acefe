/**
 * socket(7): the calls a stream or datagram server needs. Arguments are checked, results are
 * `n >= 0` or `-errno`.
 *
 * One change of shape against C: value-result lengths (`socklen_t *addrlen`) are not parameters.
 * The buffer's own size goes in, and the size the kernel reports is returned; it is larger than
 * the buffer when the kernel had to cut the value short.
 */
import { type Bytes, checkBytes, checkFd, checkInt, checkRoom, checkWhole } from '../base/check';
import { SOL_SOCKET } from './constants';
import { withGuardedCopy } from './guarded-memory';
import { declare, result } from './libc';

const native = {
  socket: declare('int', 'socket', ['int', 'int', 'int']),
  socketpair: declare('int', 'socketpair', ['int', 'int', 'int', 'int *']),
  bind: declare('int', 'bind', ['int', 'void *', 'uint32_t']),
  listen: declare('int', 'listen', ['int', 'int']),
  accept4: declare('int', 'accept4', ['int', 'void *', 'void *', 'int']),
  connect: declare('int', 'connect', ['int', 'void *', 'uint32_t']),
  shutdown: declare('int', 'shutdown', ['int', 'int']),
  send: declare('int64_t', 'send', ['int', 'void *', 'size_t', 'int']),
  recv: declare('int64_t', 'recv', ['int', 'void *', 'size_t', 'int']),
  getsockopt: declare('int', 'getsockopt', ['int', 'int', 'int', 'void *', 'void *']),
  setsockopt: declare('int', 'setsockopt', ['int', 'int', 'int', 'void *', 'uint32_t']),
  getsockname: declare('int', 'getsockname', ['int', 'void *', 'void *']),
  getpeername: declare('int', 'getpeername', ['int', 'void *', 'void *']),
};

/** The one option with a length in filter instructions, of 8 bytes each: socket(7). */
const SO_GET_FILTER = 26;
const FILTER_INSTRUCTION_BYTES = 8;

/**
 * IP_MSFILTER and MCAST_MSFILTER: the kernel writes as many addresses as a count in the value says,
 * and ignores the given length.
 */
const COUNTED_OPTIONS: ReadonlySet<number> = new Set([41, 48]);
/**
 * The levels whose other options respect the length: SOL_SOCKET, IP, TCP, UDP, IPv6, packet,
 * netlink.
 */
const KNOWN_LEVELS: ReadonlySet<number> = new Set([SOL_SOCKET, 0, 6, 17, 41, 263, 270]);
/** Room for the options of others. */
const OPTION_ROOM_BYTES = 4_096;

// The socklen_t the kernel reads and writes; private, so that no caller can lie about a length.
const socklen = new Uint32Array(1);

/**
 * `int socket(int domain, int type, int protocol)`
 *
 * Returns a new fd, or -EAFNOSUPPORT, -EINVAL, -EMFILE, -ENFILE, -ENOBUFS, -EPROTONOSUPPORT.
 * `type` may carry SOCK_NONBLOCK and SOCK_CLOEXEC. See socket(2).
 */
export function socket(domain: number, type: number, protocol: number): number {
  checkInt('domain', domain);
  checkInt('type', type);
  checkInt('protocol', protocol);
  return result(native.socket(domain, type, protocol));
}

/**
 * `int socketpair(int domain, int type, int protocol, int sv[2])`
 *
 * Puts two connected fds into `pair`. Returns 0 or -errno. See socketpair(2).
 */
export function socketpair(
  domain: number,
  type: number,
  protocol: number,
  pair: Int32Array,
): number {
  checkInt('domain', domain);
  checkInt('type', type);
  checkInt('protocol', protocol);
  checkRoom(pair, 2 * Int32Array.BYTES_PER_ELEMENT, 'pair');
  return result(native.socketpair(domain, type, protocol, pair));
}

/**
 * `int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen)`
 *
 * Returns 0, or -EACCES, -EADDRINUSE, -EADDRNOTAVAIL, -EBADF, -EINVAL. See bind(2).
 */
export function bind(fd: number, address: Uint8Array): number {
  checkFd(fd);
  const length = checkWhole(address, 'address');
  return result(native.bind(fd, address, length));
}

/**
 * `int listen(int sockfd, int backlog)`
 *
 * Returns 0, or -EADDRINUSE, -EBADF, -EOPNOTSUPP. The kernel cuts `backlog` to
 * /proc/sys/net/core/somaxconn. See listen(2).
 */
export function listen(fd: number, backlog: number): number {
  checkFd(fd);
  checkInt('backlog', backlog);
  return result(native.listen(fd, backlog));
}

/**
 * `int accept4(int sockfd, struct sockaddr *addr, socklen_t *addrlen, int flags)`
 *
 * Returns the fd of the next connection, with SOCK_NONBLOCK and SOCK_CLOEXEC as in `flags`; or
 * -EAGAIN when there is none, -ECONNABORTED, -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -EPROTO. The
 * peer's address is put into `address` if one is given. See accept4(2).
 */
export function accept4(fd: number, flags: number, address: Uint8Array | null = null): number {
  checkFd(fd);
  checkInt('flags', flags);
  if (address === null) return result(native.accept4(fd, null, null, flags));
  socklen[0] = checkWhole(address, 'address');
  return result(native.accept4(fd, address, socklen, flags));
}

/**
 * `int connect(int sockfd, const struct sockaddr *addr, socklen_t addrlen)`
 *
 * Returns 0, or -ECONNREFUSED and others; -EINPROGRESS on a non-blocking socket, which then
 * becomes writable and has the outcome in SO_ERROR. See connect(2).
 */
export function connect(fd: number, address: Uint8Array): number {
  checkFd(fd);
  const length = checkWhole(address, 'address');
  return result(native.connect(fd, address, length));
}

/**
 * `int shutdown(int sockfd, int how)`
 *
 * `how` is SHUT_RD, SHUT_WR (sends a FIN) or SHUT_RDWR. Returns 0, or -EBADF, -EINVAL, -ENOTCONN.
 * See shutdown(2).
 */
export function shutdown(fd: number, how: number): number {
  checkFd(fd);
  checkInt('how', how);
  return result(native.shutdown(fd, how));
}

/**
 * `ssize_t send(int sockfd, const void *buf, size_t len, int flags)`
 *
 * Sends up to `length` bytes from the start of `buffer`. Returns the bytes taken, which may be
 * fewer, or -errno: -EAGAIN when the socket's buffer is full, -EPIPE and -ECONNRESET when the peer
 * is gone. Pass MSG_NOSIGNAL. See send(2).
 */
export function send(fd: number, buffer: Uint8Array, length: number, flags: number): number {
  checkFd(fd);
  checkBytes(buffer, length);
  checkInt('flags', flags);
  return result(native.send(fd, buffer, length, flags));
}

/**
 * `ssize_t recv(int sockfd, void *buf, size_t len, int flags)`
 *
 * Receives up to `length` bytes to the start of `buffer`. Returns the bytes received, 0 when the
 * peer has shut down, or -errno: -EAGAIN when there are none, -ECONNRESET. See recv(2).
 */
export function recv(fd: number, buffer: Uint8Array, length: number, flags: number): number {
  checkFd(fd);
  checkBytes(buffer, length);
  checkInt('flags', flags);
  return result(native.recv(fd, buffer, length, flags));
}

/**
 * `int getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen)`
 *
 * Puts the option's value into `value`. Returns its length in bytes (of SO_GET_FILTER, the number of
 * its instructions), or -EBADF, -ENOPROTOOPT, -ENOTSOCK. An option that reads a pointer from `value`
 * cannot be checked: fill it with care. See getsockopt(2).
 */
export function getsockopt(fd: number, level: number, name: number, value: Bytes): number {
  checkFd(fd);
  checkInt('level', level);
  checkInt('name', name);
  const length = checkWhole(value, 'value');
  const isFilter = level === SOL_SOCKET && name === SO_GET_FILTER;
  socklen[0] = isFilter ? Math.floor(length / FILTER_INSTRUCTION_BYTES) : length;
  if (keepsToLength(level, name)) {
    return lengthOr(result(native.getsockopt(fd, level, name, value, socklen)));
  }
  const call = (address: bigint): number =>
    result(native.getsockopt(fd, level, name, address, socklen));
  return lengthOr(withGuardedCopy(value, OPTION_ROOM_BYTES, call));
}

function keepsToLength(level: number, name: number): boolean {
  if (!KNOWN_LEVELS.has(level)) return false;
  return level === SOL_SOCKET || !COUNTED_OPTIONS.has(name);
}

/**
 * `int setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen)`
 *
 * Returns 0, or -EBADF, -EINVAL, -ENOPROTOOPT, -ENOTSOCK. See setsockopt(2).
 */
export function setsockopt(fd: number, level: number, name: number, value: Bytes): number {
  checkFd(fd);
  checkInt('level', level);
  checkInt('name', name);
  const length = checkWhole(value, 'value');
  return result(native.setsockopt(fd, level, name, value, length));
}

/**
 * `int getsockname(int sockfd, struct sockaddr *addr, socklen_t *addrlen)`
 *
 * Puts the socket's own address into `address`. Returns its length in bytes, or -EBADF, -ENOTSOCK.
 * See getsockname(2).
 */
export function getsockname(fd: number, address: Uint8Array): number {
  checkFd(fd);
  socklen[0] = checkWhole(address, 'address');
  return lengthOr(result(native.getsockname(fd, address, socklen)));
}

/**
 * `int getpeername(int sockfd, struct sockaddr *addr, socklen_t *addrlen)`
 *
 * Puts the peer's address into `address`. Returns its length in bytes, or -EBADF, -ENOTCONN,
 * -ENOTSOCK. See getpeername(2).
 */
export function getpeername(fd: number, address: Uint8Array): number {
  checkFd(fd);
  socklen[0] = checkWhole(address, 'address');
  return lengthOr(result(native.getpeername(fd, address, socklen)));
}

function lengthOr(outcome: number): number {
  return outcome < 0 ? outcome : (socklen[0] as number);
}
