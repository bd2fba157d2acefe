/**
 * Network links and addresses as they come, change and go: rtnetlink(7), in the network namespace of
 * this process. Needs no privilege.
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
  /** Tell of links; true if not given. */
  links?: boolean;
  /** Tell of IPv4 and IPv6 addresses; true if not given. */
  addresses?: boolean;
  /** Tell first what is there already, then `synced`; true if not given. */
  initial?: boolean;
}

/** A link, also called a network interface, as it is now. Told for any change of it. */
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
  /** It was there: this is no change. */
  readonly initial: boolean;
}

/** A link was removed. */
export interface LinkGone {
  readonly kind: 'linkGone';
  readonly index: number;
  readonly name: string;
}

/** An address of a link; told when it comes, changes, or goes (`addressGone`). */
export interface AddressRecord {
  readonly kind: 'address' | 'addressGone';
  /** Of the link. */
  readonly index: number;
  readonly family: 'IPv4' | 'IPv6';
  readonly address: string;
  readonly prefixLength: number;
  readonly initial: boolean;
}

/** All that is there has been told. */
export interface RouteSynced {
  readonly kind: 'synced';
}

/**
 * The socket's queue was full, records are lost. Forget what is known: everything that is there is
 * told anew behind this, as `initial`, and then `synced`.
 */
export interface RouteOverflow {
  readonly kind: 'overflow';
}

/** What a {@link RouteMonitor} tells. */
export type RouteRecord = LinkRecord | LinkGone | AddressRecord | RouteSynced | RouteOverflow;

const optionsSchema = z.strictObject({
  ...fdSourceOptionFields,
  links: z.boolean().default(true),
  addresses: z.boolean().default(true),
  initial: z.boolean().default(true),
});

/** The kernel's dumps come in datagrams of up to 32 KiB. Shared: what is read is decoded at once. */
const buffer = new Uint8Array(65_536);

/** More datagrams than a queue holds by default, by far. */
const MAX_DISCARDED = 100_000;

/** Tells of links and addresses. The event is `change`. */
export class RouteMonitor extends FdSource<'change', RouteRecord> {
  /** The dumps to be asked for, one after the other: the kernel makes one a socket at a time. */
  readonly #requests: readonly number[];
  readonly #netlink: number;
  /** What is asked for now; past the end when nothing is. */
  #step: number;
  #sequence = 0;
  /** A change came between the answers: they may not fit together, and are asked for again. */
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
    // An answer to an older request, or to one that must be made again anyway.
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
   * What is queued is older than what is lost, and would be told after it: away with it. Reading until
   * there is no more also ends a dump that is being made.
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

/** Only the kernel, and who may administer the network, can send to such a socket. */
function openNetlink(groups: number): number {
  const type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = own(unwrap(socket(AF_NETLINK, type, NETLINK_ROUTE), 'socket'));
  closeOnThrow(fd, () => unwrap(bind(fd, encodeNetlinkAddress(groups)), 'bind'));
  return fd;
}

/**
 * An epoll set with the socket alone, which is watched in its place: a full queue is EPOLLERR, with
 * which a socket is given up; of a set it only says that there is something to read.
 */
function setOf(netlink: number): number {
  const set = unwrap(epollCreate1(EPOLL_CLOEXEC), 'epoll_create1');
  const event = createEventBuffer(1);
  event[EVENT_MASK_WORD] = EPOLLIN;
  closeOnThrow(set, () => unwrap(epollCtl(set, EPOLL_CTL_ADD, netlink, event), 'epoll_ctl'));
  return set;
}
