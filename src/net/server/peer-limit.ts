/** How many connections one peer may have, and what a peer is: an address, or a user. */
import { ADDRESS_BYTES, addressNetwork } from '../../sys/address';
import { peerCredentials } from '../socket/fd-passing';
import type { DropReason } from './drop';
import type { PeerKey } from './peer-counts';

/** A limit for each peer of a server. */
export interface PeerLimit {
  max: number;
  /** What is told of those beyond it. */
  reason: DropReason;
  /** Where accept4(2) is to put the peer's address; null if nobody wants it. */
  address: Uint8Array | null;
  /** Who the peer of the connection `fd` is, which was accepted just now; null if not to be limited. */
  keyOf(fd: number): PeerKey | null;
}

/** By address. accept4(2) tells it also of a peer that has gone already; getpeername(2) does not. */
export function limitByAddress(max: number): PeerLimit {
  const address = new Uint8Array(ADDRESS_BYTES);
  return {
    max,
    reason: 'maxConnectionsPerAddress',
    address,
    keyOf: () => addressNetwork(address),
  };
}

/** By the user of the process that connected to a unix socket. */
export function limitByUser(max: number): PeerLimit {
  return {
    max,
    reason: 'maxConnectionsPerUser',
    address: null,
    keyOf: (fd) => peerCredentials(fd)?.uid ?? null,
  };
}
