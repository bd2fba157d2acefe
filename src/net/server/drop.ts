/** The record of a connection that was accepted and closed at once. */
import { ADDRESS_BYTES, decodeAddress, type SocketAddress } from '../../sys/address';
import { getpeername, getsockname } from '../../sys/socket';

/**
 * The reason: the server has `maxConnections`, this address `maxConnectionsPerAddress`, this user
 * `maxConnectionsPerUser`, or there are no more fds (EMFILE, ENFILE).
 */
export type DropReason =
  | 'maxConnections'
  | 'maxConnectionsPerAddress'
  | 'maxConnectionsPerUser'
  | 'noFds';

/**
 * A connection that was turned away. The addresses have the names of `node:net`'s event; they are
 * left out for a unix socket, and for a peer that has already gone.
 */
export interface DroppedConnection {
  reason: DropReason;
  localAddress?: string;
  localPort?: number;
  localFamily?: SocketAddress['family'];
  remoteAddress?: string;
  remotePort?: number;
  remoteFamily?: SocketAddress['family'];
}

/** The record for the open connection `fd`. */
export function describeDrop(fd: number, reason: DropReason): DroppedConnection {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  const local = getsockname(fd, bytes) > 0 ? decodeAddress(bytes) : null;
  const remote = getpeername(fd, bytes) > 0 ? decodeAddress(bytes) : null;
  return {
    reason,
    ...(local !== null && {
      localAddress: local.address,
      localPort: local.port,
      localFamily: local.family,
    }),
    ...(remote !== null && {
      remoteAddress: remote.address,
      remotePort: remote.port,
      remoteFamily: remote.family,
    }),
  };
}
