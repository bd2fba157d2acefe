/**
 * Network links and addresses when they appear, change and go: rtnetlink(7), in the network
 * namespace of this process. Needs no privilege.
 */
import { z } from 'zod';
import { parseOptions } from '../../base/options';
import { createEventBuffer, EVENT_MASK_WORD } from '../../sys/abi';
import * as constants from '../../sys/constants';
import { epollCreate1, epollCtl } from '../../sys/epoll';
import { errno, SystemError, unwrap } from '../../sys/errno';
import {
  decodeRouteMessages,
  type EndMessage,
  encodeDumpRequest,
  encodeNetlinkAddress,
  type RouteMessage,
} from '../../sys/netlink';
import { closeOnThrow, closeOwned, own } from '../../sys/ownership';
import { bind, recv, send, socket } from '../../sys/socket';
import { FdSource, type FdSourceOptions, fdSourceOptionFields } from '../fd-source';

const { EAGAIN, EBUSY, ENOBUFS } = errno;
const { AF_NETLINK, MSG_TRUNC, NETLINK_ROUTE, RTM_GETADDR, RTM_GETLINK } = constants;
const { RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR, RTMGRP_LINK } = constants;
const { EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLIN } = constants;
const { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW } = constants;

/** Options of {@link RouteMonitor}. */
export interface RouteMonitorOptions extends FdSourceOptions {
  /** Emit links; true if not given. */
  links?: boolean;
  /** Emit IPv4 and IPv6 addresses; true if not given. */
  addresses?: boolean;
  /** First emit all existing ones, then `synced`; true if not given. */
  initial?: boolean;
}

/** The present state of a link, also called a network interface. Emitted for any change of it. */
export interface LinkRecord {
  readonly kind: 'link';
  readonly index: number;
  readonly name: string;
  /** Switched on by its administrator. */
  readonly up: boolean;
  /** Up, and there is a carrier. */
  readonly running: boolean;
  /** Bytes. */
  readonly mtu: number;
  /** The hardware address, "02:42:ac:11:00:02"; null if it has none. */
  readonly address: string | null;
  /** All flags, see netdevice(7). */
  readonly flags: number;
  /** It existed before: this is not a change. */
  readonly initial: boolean;
}

/** A link was removed. */
export interface LinkGone {
  readonly kind: 'linkGone';
  readonly index: number;
  readonly name: string;
}

/** An address of a link; emitted when it appears, changes, or goes (`addressGone`). */
export interface AddressRecord {
  readonly kind: 'address' | 'addressGone';
  /** Of the link. */
  readonly index: number;
  readonly family: 'IPv4' | 'IPv6';
  readonly address: string;
  readonly prefixLength: number;
  readonly initial: boolean;
}

/** All existing links and addresses have been emitted. */
export interface RouteSynced {
  readonly kind: 'synced';
}

/**
 * The socket's queue was full, and records are lost. Forget all earlier records: the existing links
 * and addresses follow as `initial`, and then `synced`.
 */
export interface RouteOverflow {
  readonly kind: 'overflow';
}

/** The records of a {@link RouteMonitor}. */
export type RouteRecord = LinkRecord | LinkGone | AddressRecord | RouteSynced | RouteOverflow;

const optionsSchema = z.strictObject({
  ...fdSourceOptionFields,
  links: z.boolean().default(true),
  addresses: z.boolean().default(true),
  initial: z.boolean().default(true),
});

/**
 * The kernel sends dumps in datagrams of up to 32 KiB. Shared: each datagram is decoded at once.
 */
const buffer = new Uint8Array(65_536);

/** Far more datagrams than a queue holds by default. */
const MAX_DISCARDED = 100_000;

/** Emits links and addresses as `change`. */
export class RouteMonitor extends FdSource<'change', RouteRecord> {
  /** The dumps to request, one after the other: the kernel makes one per socket at a time. */
  readonly #requests: readonly number[];
  readonly #netlink: number;
  /** The dump under way; past the end when there is none. */
  #step: number;
  #sequence = 0;
  /** A change arrived between the answers: they may not fit together, and are requested again. */
  #isStale = false;

  /** Throws EMFILE or ENFILE when there are no fds left, and a TypeError for a wrong option. */
  constructor(options: RouteMonitorOptions = {}) {
    const settings = parseOptions('RouteMonitor', optionsSchema, options);
    const { links, addresses, initial } = settings;
    const groups =
      (links ? RTMGRP_LINK : 0) | (addresses ? RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR : 0);
    const netlink = openNetlink(groups);
    const set = closeOnThrow(netlink, () => setOf(netlink));
    super(set, { ...settings, event: 'change', release: () => closeOwned(netlink) });
    this.#netlink = netlink;
    this.#requests = [...(links ? [RTM_GETLINK] : []), ...(addresses ? [RTM_GETADDR] : [])];
    this.#step = this.#requests.length;
    try {
      if (initial) this.#dump(0);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  protected override readOnce(): number {
    // With MSG_TRUNC the true length of a datagram that does not fit is returned.
    const outcome = recv(this.#netlink, buffer, buffer.byteLength, MSG_TRUNC);
    if (outcome === -ENOBUFS || outcome > buffer.byteLength) {
      this.#onOverflow();
      return 1;
    }
    if (outcome <= 0) return outcome;
    for (const message of decodeRouteMessages(buffer, outcome)) this.#onMessage(message);
    return outcome;
  }

  #onMessage(message: RouteMessage): void {
    if (message.type === 'end') return this.#onEnd(message);
    const { isDump, isInterrupted } = message;
    // An answer to an older request, or to one that must be repeated anyway.
    if (isDump && message.sequence !== this.#sequence) return;
    if (isDump && isInterrupted) this.#isStale = true;
    if (message.type === 'link') {
      const { index, name, up, running, mtu, address, flags } = message;
      if (message.isGone) return this.deliver({ kind: 'linkGone', index, name });
      const link = { kind: 'link', index, name, up, running, mtu, address, flags } as const;
      return this.deliver({ ...link, initial: isDump });
    }
    const { index, family, address, prefixLength, isGone } = message;
    const kind = isGone ? 'addressGone' : 'address';
    this.deliver({ kind, index, family, address, prefixLength, initial: isDump });
  }

  #onEnd({ sequence, errno: outcome, isInterrupted }: EndMessage): void {
    if (sequence !== this.#sequence || this.#step === this.#requests.length) return;
    if (outcome < 0 && outcome !== -EBUSY) {
      return this.fail(new SystemError('netlink', outcome));
    }
    if (outcome === -EBUSY || isInterrupted || this.#isStale) return this.#dump(this.#step);
    if (this.#step + 1 < this.#requests.length) return this.#dump(this.#step + 1);
    this.#step = this.#requests.length;
    this.deliver({ kind: 'synced' });
  }

  /**
   * The queued datagrams are older than the lost ones, and would be emitted after them: discard
   * them. Reading until the queue is empty also ends a dump under way.
   */
  #onOverflow(): void {
    this.deliver({ kind: 'overflow' });
    if (this.closed) return;
    let outcome = 0;
    for (let count = 0; count < MAX_DISCARDED && outcome !== -EAGAIN; count += 1) {
      outcome = recv(this.#netlink, buffer, buffer.byteLength, 0);
    }
    this.#dump(0);
  }

  #dump(step: number): void {
    const type = this.#requests[step];
    if (type === undefined || this.closed) return;
    this.#step = step;
    this.#isStale = false;
    this.#sequence += 1;
    const request = encodeDumpRequest(type, this.#sequence);
    unwrap(send(this.#netlink, request, request.byteLength, 0), 'send');
  }
}

/** Only the kernel, and administrators of the network, can send to such a socket. */
function openNetlink(groups: number): number {
  const type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = own(unwrap(socket(AF_NETLINK, type, NETLINK_ROUTE), 'socket'));
  closeOnThrow(fd, () => unwrap(bind(fd, encodeNetlinkAddress(groups)), 'bind'));
  return fd;
}

/**
 * An epoll set with only the socket; the loop watches this set instead. A full queue is EPOLLERR,
 * which would end the watcher of a socket; a set only reports that there is something to read.
 */
function setOf(netlink: number): number {
  const set = unwrap(epollCreate1(EPOLL_CLOEXEC), 'epoll_create1');
  const event = createEventBuffer(1);
  event[EVENT_MASK_WORD] = EPOLLIN;
  closeOnThrow(set, () => unwrap(epollCtl(set, EPOLL_CTL_ADD, netlink, event), 'epoll_ctl'));
  return set;
}
