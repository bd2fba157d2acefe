/** The maximum of connections of one peer, which is an address or a user. */
import { ADDRESS_BYTES, addressNetwork } from '../../sys/address';
import { peerCredentials } from '../socket/fd-passing';
import type { DropReason } from './drop';
import type { PeerKey } from './peer-counts';

/** A limit for each peer of a server. */
export interface PeerLimit {
  max: number;
  /** The reason reported for connections beyond it. */
  reason: DropReason;
  /** Memory for accept4(2) to put the peer's address into; null if it is not needed. */
  address: Uint8Array | null;
  /** The peer of the connection `fd`, which was just accepted; null for no limit. */
  keyOf(fd: number): PeerKey | null;
}

/**
 * By address. accept4(2) reports it also for a peer that has already gone; getpeername(2) does not.
 */
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
