/**
 * SO_ATTACH_REUSEPORT_CBPF: which socket of a group gets a client, by the CPU on which its packet arrived,
 * and so by the queue of the network card. See socket(7).
 */

import { unwrap } from '../../sys/errno';
import { attachReusePortFilter } from '../../sys/packet-filter';

/** Have socket number `cpu % sockets` of the group that `fd` belongs to take a client. Throws EPERM, ENOPROTOOPT. */
export function spreadByCpu(fd: number, sockets: number): void {
  unwrap(attachReusePortFilter(fd, sockets), 'setsockopt', { fd });
}
