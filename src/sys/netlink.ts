/**
 * netlink(7) and rtnetlink(7): the requests for links and addresses, and the decoding of the
 * answers. It does no I/O. Lengths are the message's own claims, and are checked as if a stranger
 * had sent them: a part that does not fit is left out.
 */

import { bytesOf, checkBytes, checkInt, checkMask, checkUint } from '../base/check';
import { decodeAddress } from './address';
import * as constants from './constants';
import { offsetOf, sizeOf, struct } from './libc';

const { AF_INET, AF_INET6, AF_NETLINK, IFF_RUNNING, IFF_UP, NLM_F_DUMP_INTR, NLM_F_MULTI } =
  constants;

/** `struct sockaddr_nl` */
const sockaddrNl = struct({
  nl_family: 'uint16_t',
  nl_pad: 'uint16_t',
  nl_pid: 'uint32_t',
  nl_groups: 'uint32_t',
});
/** `struct nlmsghdr` */
const nlmsghdr = struct({
  nlmsg_len: 'uint32_t',
  nlmsg_type: 'uint16_t',
  nlmsg_flags: 'uint16_t',
  nlmsg_seq: 'uint32_t',
  nlmsg_pid: 'uint32_t',
});
/** `struct ifinfomsg` */
const ifinfomsg = struct({
  ifi_family: 'uint8_t',
  ifi_pad: 'uint8_t',
  ifi_type: 'uint16_t',
  ifi_index: 'int',
  ifi_flags: 'uint32_t',
  ifi_change: 'uint32_t',
});
/** `struct ifaddrmsg` */
const ifaddrmsg = struct({
  ifa_family: 'uint8_t',
  ifa_prefixlen: 'uint8_t',
  ifa_flags: 'uint8_t',
  ifa_scope: 'uint8_t',
  ifa_index: 'uint32_t',
});
/** `struct rtattr` */
const rtattr = struct({ rta_len: 'uint16_t', rta_type: 'uint16_t' });

/** Sizes, for the tests to compare with C. */
export const NETLINK_SIZES = {
  sockaddr_nl: sizeOf(sockaddrNl),
  nlmsghdr: sizeOf(nlmsghdr),
  ifinfomsg: sizeOf(ifinfomsg),
  ifaddrmsg: sizeOf(ifaddrmsg),
  rtattr: sizeOf(rtattr),
} as const;

const HEADER_BYTES = NETLINK_SIZES.nlmsghdr;
const ATTRIBUTE_BYTES = NETLINK_SIZES.rtattr;
// struct sockaddr_in and sockaddr_in6, see address.ts.
const IPV4_BYTES = 16;
const IPV4_ADDRESS_BYTE = 4;
const IPV6_BYTES = 28;
const IPV6_ADDRESS_BYTE = 8;

const at = {
  length: offsetOf(nlmsghdr, 'nlmsg_len'),
  type: offsetOf(nlmsghdr, 'nlmsg_type'),
  flags: offsetOf(nlmsghdr, 'nlmsg_flags'),
  sequence: offsetOf(nlmsghdr, 'nlmsg_seq'),
  groups: offsetOf(sockaddrNl, 'nl_groups'),
  linkIndex: offsetOf(ifinfomsg, 'ifi_index'),
  linkFlags: offsetOf(ifinfomsg, 'ifi_flags'),
  prefixLength: offsetOf(ifaddrmsg, 'ifa_prefixlen'),
  addressIndex: offsetOf(ifaddrmsg, 'ifa_index'),
};

interface Message {
  /** It answers a dump: it reports existing state, not a change. */
  isDump: boolean;
  /** The dump was interrupted by a change (NLM_F_DUMP_INTR), and may be inconsistent. */
  isInterrupted: boolean;
  /** The sequence number of the request that it answers. */
  sequence: number;
}

/** RTM_NEWLINK or RTM_DELLINK. */
export interface LinkMessage extends Message {
  type: 'link';
  isGone: boolean;
  index: number;
  name: string;
  /** IFF_UP: switched on by its administrator. */
  up: boolean;
  /** IFF_RUNNING: up, and there is a carrier. */
  running: boolean;
  /** All flags, see netdevice(7). Unsigned. */
  flags: number;
  /** Bytes; 0 if the message does not say. */
  mtu: number;
  /** The hardware address, "02:42:ac:11:00:02"; null if it has none. */
  address: string | null;
}

/** RTM_NEWADDR or RTM_DELADDR. */
export interface AddressMessage extends Message {
  type: 'address';
  isGone: boolean;
  /** Of the link. */
  index: number;
  family: 'IPv4' | 'IPv6';
  address: string;
  prefixLength: number;
}

/** NLMSG_DONE, or NLMSG_ERROR: `errno` is 0 or negative. */
export interface EndMessage extends Message {
  type: 'end';
  errno: number;
}

/** The messages that this file decodes. */
export type RouteMessage = LinkMessage | AddressMessage | EndMessage;

/** The bytes of `struct sockaddr_nl` for bind(2): any port, and the multicast `groups` (RTMGRP_*). */
export function encodeNetlinkAddress(groups: number): Uint8Array {
  const mask = checkMask('groups', groups);
  const bytes = new Uint8Array(NETLINK_SIZES.sockaddr_nl);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_NETLINK, true);
  view.setUint32(at.groups, mask, true);
  return bytes;
}

/** A request for all there is: `type` is RTM_GETLINK or RTM_GETADDR; answers carry `sequence`. */
export function encodeDumpRequest(type: number, sequence: number): Uint8Array {
  checkInt('type', type);
  checkUint('sequence', sequence);
  const bytes = new Uint8Array(HEADER_BYTES + NETLINK_SIZES.ifinfomsg);
  const view = new DataView(bytes.buffer);
  view.setUint32(at.length, bytes.byteLength, true);
  view.setUint16(at.type, type, true);
  view.setUint16(at.flags, constants.NLM_F_REQUEST | constants.NLM_F_DUMP, true);
  view.setUint32(at.sequence, sequence, true);
  return bytes;
}

/**
 * The messages in the first `length` bytes of `bytes`, one datagram of recv(2). Messages of other
 * types are left out, and so are links reported as members of a bridge, because the link itself did
 * not change.
 */
export function decodeRouteMessages(bytes: Uint8Array, length: number): RouteMessage[] {
  checkBytes(bytes, length, 'bytes');
  const { buffer, byteOffset } = bytesOf(bytes);
  const messages: RouteMessage[] = [];
  let start = 0;
  while (start + HEADER_BYTES <= length) {
    const view = new DataView(buffer, byteOffset + start, length - start);
    const size = view.getUint32(at.length, true);
    if (size < HEADER_BYTES || size > length - start) break;
    const message = decodeMessage(new DataView(view.buffer, view.byteOffset, size));
    if (message !== null) messages.push(message);
    start += aligned(size);
  }
  return messages;
}

function decodeMessage(view: DataView): RouteMessage | null {
  const flags = view.getUint16(at.flags, true);
  const message: Message = {
    isDump: (flags & NLM_F_MULTI) !== 0,
    isInterrupted: (flags & NLM_F_DUMP_INTR) !== 0,
    sequence: view.getUint32(at.sequence, true),
  };
  const body = new DataView(
    view.buffer,
    view.byteOffset + HEADER_BYTES,
    view.byteLength - HEADER_BYTES,
  );
  switch (view.getUint16(at.type, true)) {
    case constants.NLMSG_DONE:
    case constants.NLMSG_ERROR: {
      const errno = body.byteLength >= 4 ? Math.min(body.getInt32(0, true), 0) : 0;
      return { type: 'end', errno, ...message };
    }
    case constants.RTM_NEWLINK:
      return decodeLink(body, message, false);
    case constants.RTM_DELLINK:
      return decodeLink(body, message, true);
    case constants.RTM_NEWADDR:
      return decodeLinkAddress(body, message, false);
    case constants.RTM_DELADDR:
      return decodeLinkAddress(body, message, true);
    default:
      return null;
  }
}

function decodeLink(body: DataView, message: Message, isGone: boolean): LinkMessage | null {
  if (body.byteLength < NETLINK_SIZES.ifinfomsg || body.getUint8(0) !== constants.AF_UNSPEC) {
    return null;
  }
  const attributes = decodeAttributes(body, NETLINK_SIZES.ifinfomsg);
  const flags = body.getUint32(at.linkFlags, true);
  const mtu = attributes.get(constants.IFLA_MTU);
  const address = attributes.get(constants.IFLA_ADDRESS);
  return {
    type: 'link',
    isGone,
    index: body.getInt32(at.linkIndex, true),
    name: textOf(attributes.get(constants.IFLA_IFNAME)),
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    flags,
    mtu: mtu === undefined || mtu.length < 4 ? 0 : mtu.readUInt32LE(),
    address: address === undefined || address.length === 0 ? null : hexOf(address),
    ...message,
  };
}

function decodeLinkAddress(
  body: DataView,
  message: Message,
  isGone: boolean,
): AddressMessage | null {
  if (body.byteLength < NETLINK_SIZES.ifaddrmsg) return null;
  const attributes = decodeAttributes(body, NETLINK_SIZES.ifaddrmsg);
  // Of a point-to-point link IFA_ADDRESS is the other end.
  const binary = attributes.get(constants.IFA_LOCAL) ?? attributes.get(constants.IFA_ADDRESS);
  const printed = printAddress(body.getUint8(0), binary);
  if (printed === null) return null;
  return {
    type: 'address',
    isGone,
    index: body.getUint32(at.addressIndex, true),
    ...printed,
    prefixLength: body.getUint8(at.prefixLength),
    ...message,
  };
}

/** The attributes behind the first `skip` bytes. Each is `{ u16 length, type; u8 value[]; }`. */
function decodeAttributes(body: DataView, skip: number): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  let start = aligned(skip);
  while (start + ATTRIBUTE_BYTES <= body.byteLength) {
    const size = body.getUint16(start, true);
    if (size < ATTRIBUTE_BYTES || start + size > body.byteLength) break;
    const offset = body.byteOffset + start + ATTRIBUTE_BYTES;
    const value = Buffer.from(body.buffer as ArrayBuffer, offset, size - ATTRIBUTE_BYTES);
    attributes.set(body.getUint16(start + 2, true), value);
    start += aligned(size);
  }
  return attributes;
}

function printAddress(
  family: number,
  binary: Buffer | undefined,
): Pick<AddressMessage, 'family' | 'address'> | null {
  const isIPv6 = family === AF_INET6;
  if ((!isIPv6 && family !== AF_INET) || binary?.length !== (isIPv6 ? 16 : 4)) return null;
  const socketAddress = new Uint8Array(isIPv6 ? IPV6_BYTES : IPV4_BYTES);
  socketAddress[0] = family;
  socketAddress.set(binary, isIPv6 ? IPV6_ADDRESS_BYTE : IPV4_ADDRESS_BYTE);
  const { address = '' } = decodeAddress(socketAddress) ?? {};
  return { family: isIPv6 ? 'IPv6' : 'IPv4', address };
}

/** Messages and attributes start at multiples of 4. */
function aligned(size: number): number {
  return (size + 3) & ~3;
}

function textOf(bytes: Buffer | undefined): string {
  if (bytes === undefined) return '';
  const nul = bytes.indexOf(0);
  return bytes.toString('utf8', 0, nul < 0 ? bytes.length : nul);
}

function hexOf(bytes: Buffer): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
