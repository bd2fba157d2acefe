/** The address of a socket: an IP address with a port, or the name of a unix socket. */
import { z } from 'zod';
import { invalidType } from '../../base/check';
import { decodeAddress, encodeAddress, type SocketAddress } from '../../sys/address';
import { AF_INET, AF_INET6, AF_UNIX } from '../../sys/constants';
import { errnoText, SystemError } from '../../sys/errno';
import { decodeUnixAddress, encodeUnixAddress, type UnixAddress } from '../../sys/unix-address';

/** The usual name of the loopback address; other names are for `node:dns`. */
export const LOCALHOST = 'localhost';

/** An IP address and a port, or the path (or `\0abstract` name) of a unix socket. */
export type Endpoint = Omit<SocketAddress, 'family'> | Pick<UnixAddress, 'path'>;

/** The family of a socket's addresses. */
export type AddressFamily = 'IPv4' | 'IPv6' | 'unix';

/** The kernel's number of a family. */
export const FAMILIES: Record<AddressFamily, number> = {
  IPv4: AF_INET,
  IPv6: AF_INET6,
  unix: AF_UNIX,
};

/** An {@link Endpoint} in an options object. Encoding it checks the address itself. */
export const endpointSchema = z.union(
  [z.object({ path: z.string() }), z.object({ address: z.string(), port: z.int() })],
  { error: 'expected an object with address and port, or with a path' },
);

/** The family of an endpoint. */
export function familyOf(endpoint: Endpoint): AddressFamily {
  if ('path' in endpoint) return 'unix';
  return endpoint.address.includes(':') ? 'IPv6' : 'IPv4';
}

/**
 * The bytes of an endpoint's `struct sockaddr`. Throws a TypeError or RangeError for a wrong one.
 */
export function encodeEndpoint(endpoint: Endpoint): Uint8Array {
  if (typeof endpoint !== 'object' || endpoint === null) {
    throw invalidType('address', 'an object with address and port, or with a path', endpoint);
  }
  return 'path' in endpoint ? encodeUnixAddress(endpoint) : encodeAddress(endpoint);
}

/**
 * Decode the kernel's address in `bytes`, which must end with the address. Null if there is none.
 */
export function decodeEndpoint(bytes: Uint8Array): SocketAddress | UnixAddress | null {
  return decodeAddress(bytes) ?? decodeUnixAddress(bytes);
}

/** An endpoint for people: "127.0.0.1:80", or an abstract name as ss(8) and netstat(8) show it. */
export function formatEndpoint(endpoint: Endpoint): string {
  if ('path' in endpoint) return endpoint.path.replace(/^\0/, '@');
  return `${endpoint.address}:${endpoint.port}`;
}

/** The error of a call at an endpoint; `reason` is errno's own text if not given. */
export function errorAt(
  outcome: number,
  syscall: string,
  endpoint: Endpoint,
  reason = `${errnoText(outcome)} ${formatEndpoint(endpoint)}`,
): SystemError {
  if ('path' in endpoint) {
    return new SystemError(syscall, outcome, { address: endpoint.path, reason });
  }
  const { address, port } = endpoint;
  return new SystemError(syscall, outcome, { address, port, reason });
}

/** Throw a {@link SystemError} with the endpoint if the call failed. */
export function unwrapAt(outcome: number, syscall: string, endpoint: Endpoint): void {
  if (outcome < 0) throw errorAt(outcome, syscall, endpoint);
}
