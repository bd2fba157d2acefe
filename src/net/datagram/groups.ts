/**
 * Multicast groups of a datagram socket: IPv4 names the interface by an address, IPv6 by a zone.
 * See ip(7) and ipv6(7).
 */
import { encodeMembership, encodeMulticastInterface } from '../../sys/address';
import * as constants from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { setsockopt } from '../../sys/socket';

const { IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_IF, IPPROTO_IP } = constants;
const { IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP, IPV6_MULTICAST_IF, IPPROTO_IPV6 } = constants;

/** A group and its interface. */
export interface Membership {
  /** An address of IPv4, or of IPv6 with an optional zone: "ff02::1%eth0". */
  group: string;
  /**
   * For IPv4 an address of ours; for IPv6 one with the interface as its zone, "::%eth0". The kernel
   * chooses if it is not given.
   */
  interfaceAddress: string | undefined;
}

/** Receive the messages to a group. Throws a RangeError for a wrong address, or a SystemError. */
export function joinGroup(fd: number, membership: Membership): void {
  setMembership(fd, membership, { v4: IP_ADD_MEMBERSHIP, v6: IPV6_ADD_MEMBERSHIP });
}

/** Undo {@link joinGroup}; throws in the same way. */
export function leaveGroup(fd: number, membership: Membership): void {
  setMembership(fd, membership, { v4: IP_DROP_MEMBERSHIP, v6: IPV6_DROP_MEMBERSHIP });
}

/**
 * Send to IPv4 groups through the interface with this address of ours, or to IPv6 groups through
 * the one in its zone; throws in the same way.
 */
export function setMulticastInterface(fd: number, interfaceAddress: string): void {
  const bytes = encodeMulticastInterface(interfaceAddress);
  const outcome = interfaceAddress.includes(':')
    ? setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, bytes)
    : setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, bytes);
  unwrap(outcome, 'setsockopt', { fd, address: interfaceAddress });
}

function setMembership(
  fd: number,
  { group, interfaceAddress }: Membership,
  { v4, v6 }: { v4: number; v6: number },
): void {
  const bytes = encodeMembership(group, interfaceAddress);
  const [level, option] = group.includes(':') ? [IPPROTO_IPV6, v6] : [IPPROTO_IP, v4];
  unwrap(setsockopt(fd, level, option, bytes), 'setsockopt', { fd, address: group });
}
