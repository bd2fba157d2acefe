/**
 * The guard against TCP connections to oneself.
 *
 * TCP allows a simultaneous open (RFC 9293, section 3.5): a socket that connects to the very port
 * it is bound to is answered by itself. This happens to clients of a server on this machine that is
 * not up, at a port of the range from which the kernel chooses theirs. One try in 28,000
 * "succeeds", gets its own bytes echoed, and keeps the server from its port.
 */
import { ADDRESS_BYTES, decodeAddress } from '../../sys/address';
import { getpeername, getsockname } from '../../sys/socket';

/**
 * Whether the peer of the connected TCP socket `fd` is the socket itself; `port` is that of the
 * server.
 */
export function isSelfConnected(fd: number, port: number): boolean {
  const own = new Uint8Array(ADDRESS_BYTES);
  const ownLength = getsockname(fd, own);
  // Nearly always this is all: one call.
  if (ownLength <= 0 || decodeAddress(own)?.port !== port) return false;
  const peer = new Uint8Array(ADDRESS_BYTES);
  const peerLength = getpeername(fd, peer);
  return peerLength === ownLength && Buffer.compare(own, peer) === 0;
}
