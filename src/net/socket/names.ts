/** The addresses of the two ends of a socket; null for a unix socket, and where the kernel has none. */
import { ADDRESS_BYTES, decodeAddress, type SocketAddress } from '../../sys/address';
import { getpeername, getsockname } from '../../sys/socket';

/** Our own address. See getsockname(2). */
export function localAddressOf(fd: number): SocketAddress | null {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  return getsockname(fd, bytes) > 0 ? decodeAddress(bytes) : null;
}

/** The peer's address. See getpeername(2). */
export function peerAddressOf(fd: number): SocketAddress | null {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  return getpeername(fd, bytes) > 0 ? decodeAddress(bytes) : null;
}
