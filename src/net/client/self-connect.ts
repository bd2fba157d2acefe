/**
 * The guard against TCP connections to oneself.
 *
 * TCP allows a simultaneous open (RFC 9293, section 3.5): a socket that connects to the very port it
 * is bound to is answered by itself. That happens to clients of a server on this machine which is not
 * up, at a port of the range from which the kernel chooses theirs: one try in 28,000 "succeeds", has
 * its own bytes echoed, and keeps the server from its port.
 */
import { ADDRESS_BYTES, decodeAddress } from '../../sys/address';
import { getpeername, getsockname } from '../../sys/socket';

/** Whether the connected TCP socket `fd` has itself for a peer; `port` is that of the server. */
export function isSelfConnected(fd: number, port: number): boolean {
  const own = new Uint8Array(ADDRESS_BYTES);
  const ownLength = getsockname(fd, own);
  // Nearly always the end of it: one call.
  if (ownLength <= 0 || decodeAddress(own)?.port !== port) return false;
  const peer = new Uint8Array(ADDRESS_BYTES);
  const peerLength = getpeername(fd, peer);
  return peerLength === ownLength && Buffer.compare(own, peer) === 0;
}
