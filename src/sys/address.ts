/**
 * Socket addresses: text and port to the bytes of `struct sockaddr_in` / `sockaddr_in6`, and back.
 * libc itself parses and prints addresses (inet_pton(3), inet_ntop(3)). Names are not looked up:
 * use `node:dns`.
 */
import { isIPv4, isIPv6 } from 'node:net';
import {
  bytesOf,
  checkInteger,
  checkObject,
  checkWhole,
  dataOf,
  invalidType,
  outOfRange,
} from '../base/check';
import { AF_INET, AF_INET6 } from './constants';
import { declare } from './libc';

const native = {
  inet_pton: declare('int', 'inet_pton', ['int', 'str', 'void *']),
  inet_ntop: declare('str', 'inet_ntop', ['int', 'void *', 'void *', 'uint32_t']),
  if_nametoindex: declare('int', 'if_nametoindex', ['str']),
  if_indextoname: declare('str', 'if_indextoname', ['uint32_t', 'void *']),
};

/** An IP address and a port, in Node's words. */
export interface SocketAddress {
  family: 'IPv4' | 'IPv6';
  /** "192.0.2.1", "2001:db8::1", "fe80::1%eth0". */
  address: string;
  port: number;
}

// struct sockaddr_in  { u16 family; be16 port; u8 addr[4]; u8 zero[8]; }
// struct sockaddr_in6 { u16 family; be16 port; be32 flowinfo; u8 addr[16]; u32 scope_id; }
const IPV4_BYTES = 16;
const IPV4_ADDRESS_BYTE = 4;
const IPV6_BYTES = 28;
const IPV6_ADDRESS_BYTE = 8;
const IPV6_SCOPE_BYTE = 24;
/** The place of the IPv4 address in "::ffff:192.0.2.1", and the bytes before it. */
const MAPPED_BYTE = IPV6_ADDRESS_BYTE + 12;
const MAPPED_PREFIX = 0xffff;
const PORT_BYTE = 2;
const PORT_MAX = 0xffff;

/** Room for any address: `sizeof(struct sockaddr_storage)`. */
export const ADDRESS_BYTES = 128;

const binary = new Uint8Array(16);
// INET6_ADDRSTRLEN is 46 and IF_NAMESIZE 16, both with the final NUL.
const text = new Uint8Array(46);

/**
 * The bytes of `struct sockaddr_in` or `sockaddr_in6` for an IP address and a port, as bind(2) and
 * connect(2) take them. Throws a RangeError for anything but an IP address, for a port past 65535,
 * and for a zone ("fe80::1%eth0") that names no interface.
 */
export function encodeAddress(where: Omit<SocketAddress, 'family'>): Uint8Array {
  checkObject('address', where);
  const { address, port } = where;
  if (typeof address !== 'string') throw invalidType('address', 'a string', address);
  checkInteger('port', port, 0, PORT_MAX);
  const version = ipVersion(address);
  if (version === 4) return encodeIPv4(address, port);
  if (version === 6) return encodeIPv6(address, port);
  throw outOfRange('address', 'an IPv4 or IPv6 address', address);
}

/**
 * 4 or 6 for an IP address, 0 for anything else; as `net.isIP`, but a zone may have any name that
 * an interface may have ("fe80::1%wg_home"). {@link encodeAddress} checks whether there is such an
 * interface.
 */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (isIPv4(text)) return 4;
  const [plain, zone] = splitZone(text);
  return isIPv6(plain) && (zone === undefined || ZONE.test(zone)) ? 6 : 0;
}

/** An interface's name (netdevice(7), dev_valid_name of the kernel) or index. */
const ZONE = /^[^\s/:%\0]{1,15}$/;

function splitZone(address: string): [plain: string, zone: string | undefined] {
  const at = address.indexOf('%');
  return at < 0 ? [address, undefined] : [address.slice(0, at), address.slice(at + 1)];
}

function encodeIPv4(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(IPV4_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(PORT_BYTE, port);
  native.inet_pton(AF_INET, address, binary);
  bytes.set(binary.subarray(0, 4), IPV4_ADDRESS_BYTE);
  return bytes;
}

function encodeIPv6(address: string, port: number): Uint8Array {
  const [plain, zone] = splitZone(address);
  const bytes = new Uint8Array(IPV6_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET6, true);
  view.setUint16(PORT_BYTE, port);
  native.inet_pton(AF_INET6, plain, binary);
  bytes.set(binary, IPV6_ADDRESS_BYTE);
  if (zone !== undefined) view.setUint32(IPV6_SCOPE_BYTE, scopeOf(zone, address), true);
  return bytes;
}

/**
 * The bytes of `struct ip_mreq` or `struct ipv6_mreq`, as IP_ADD_MEMBERSHIP and
 * IPV6_ADD_MEMBERSHIP take them. An IPv4 interface is named by its address, 0.0.0.0 for the kernel's
 * choice; an IPv6 one by a zone, of the group ("ff02::1%eth0") or of `interfaceAddress` ("::%eth0",
 * as `node:dgram` has it; "::" for the kernel's choice). Throws as {@link encodeAddress}, and a
 * RangeError for two zones that differ.
 */
export function encodeMembership(group: string, interfaceAddress?: string): Uint8Array {
  const bytes = encodeAddress({ address: group, port: 0 });
  if (bytes.byteLength === IPV4_BYTES) {
    const own = encodeInterfaceIPv4(interfaceAddress === undefined ? '0.0.0.0' : interfaceAddress);
    const address = bytes.subarray(IPV4_ADDRESS_BYTE, IPV4_ADDRESS_BYTE + 4);
    return new Uint8Array([...address, ...own]);
  }
  const view = new DataView(bytes.buffer);
  const scope = view.getUint32(IPV6_SCOPE_BYTE, true);
  const given = interfaceAddress === undefined ? 0 : interfaceIndex(interfaceAddress);
  if (scope !== 0 && given !== 0 && scope !== given) {
    throw outOfRange('interfaceAddress', `the interface of the group ${group}`, interfaceAddress);
  }
  view.setUint32(IPV6_SCOPE_BYTE, scope === 0 ? given : scope, true);
  return bytes.slice(IPV6_ADDRESS_BYTE, IPV6_BYTES);
}

/**
 * The value of IP_MULTICAST_IF (`struct in_addr`) or IPV6_MULTICAST_IF (an `int`) for the interface
 * with this IPv4 address, or in the zone of this IPv6 address ("::%eth0"). Throws a RangeError if
 * it names no interface.
 */
export function encodeMulticastInterface(interfaceAddress: string): Uint8Array {
  if (typeof interfaceAddress !== 'string' || !interfaceAddress.includes(':')) {
    return encodeInterfaceIPv4(interfaceAddress);
  }
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, interfaceIndex(interfaceAddress), true);
  return bytes;
}

function encodeInterfaceIPv4(interfaceAddress: string): Uint8Array {
  if (typeof interfaceAddress !== 'string') {
    throw invalidType('interfaceAddress', 'a string', interfaceAddress);
  }
  if (!isIPv4(interfaceAddress)) {
    throw outOfRange('interfaceAddress', 'an IPv4 address', interfaceAddress);
  }
  return encodeIPv4(interfaceAddress, 0).slice(IPV4_ADDRESS_BYTE, IPV4_ADDRESS_BYTE + 4);
}

/** The index of the interface in the zone of an IPv6 address; 0 of "::", for the kernel's choice. */
function interfaceIndex(interfaceAddress: string): number {
  if (typeof interfaceAddress !== 'string') {
    throw invalidType('interfaceAddress', 'a string', interfaceAddress);
  }
  const [, zone] = splitZone(interfaceAddress);
  if (interfaceAddress === '::') return 0;
  // An address without a zone does not name an interface, even if it is ours: fe80::1 is
  // everywhere.
  if (ipVersion(interfaceAddress) !== 6 || zone === undefined) {
    throw outOfRange(
      'interfaceAddress',
      'an IPv6 address with a zone, as "::%eth0"',
      interfaceAddress,
    );
  }
  return scopeOf(zone, interfaceAddress, 'interfaceAddress');
}

function scopeOf(zone: string, address: string, name = 'address'): number {
  const index = /^\d+$/.test(zone) ? Number(zone) : native.if_nametoindex(zone);
  if (index > 0 && index <= 0xffff_ffff) return index;
  throw outOfRange(name, 'an address whose zone is a network interface', address);
}

/**
 * Decode an address that getsockname(2), getpeername(2) or accept4(2) wrote into `bytes`. Returns
 * null for a family other than IPv4 and IPv6 (a unix socket), and for too few bytes.
 */
export function decodeAddress(bytes: Uint8Array): SocketAddress | null {
  const length = checkWhole(bytes, 'bytes');
  if (length < IPV4_BYTES) return null;
  const all = bytesOf(bytes);
  const view = dataOf(all);
  const family = view.getUint16(0, true);
  const port = view.getUint16(PORT_BYTE);
  if (family === AF_INET) {
    const address = printAddress(AF_INET, all.subarray(IPV4_ADDRESS_BYTE, IPV6_ADDRESS_BYTE));
    return { family: 'IPv4', address, port };
  }
  if (family !== AF_INET6 || length < IPV6_BYTES) return null;
  const address = printAddress(AF_INET6, all.subarray(IPV6_ADDRESS_BYTE, IPV6_SCOPE_BYTE));
  return { family: 'IPv6', address: address + zoneOf(view.getUint32(IPV6_SCOPE_BYTE, true)), port };
}

/**
 * The network of an address, for counting peers: the 32 bits of an IPv4 address, also of one mapped
 * into IPv6 ("::ffff:192.0.2.1"); the first 64 bits of another IPv6 address as a bigint, because
 * one client commonly has all addresses behind them. `bytes` as for {@link decodeAddress}; null
 * where that returns null. Makes no text.
 */
export function addressNetwork(bytes: Uint8Array): number | bigint | null {
  const length = checkWhole(bytes, 'bytes');
  if (length < IPV4_BYTES) return null;
  const view = dataOf(bytes);
  const family = view.getUint16(0, true);
  if (family === AF_INET) return view.getUint32(IPV4_ADDRESS_BYTE);
  if (family !== AF_INET6 || length < IPV6_BYTES) return null;
  const network = view.getBigUint64(IPV6_ADDRESS_BYTE);
  const isMapped = network === 0n && view.getUint32(MAPPED_BYTE - 4) === MAPPED_PREFIX;
  return isMapped ? view.getUint32(MAPPED_BYTE) : network;
}

function printAddress(family: number, bytes: Uint8Array): string {
  binary.set(bytes);
  return native.inet_ntop(family, binary, text, text.byteLength) ?? '';
}

function zoneOf(index: number): string {
  if (index === 0) return '';
  return `%${native.if_indextoname(index, text) ?? index}`;
}
