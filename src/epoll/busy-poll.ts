/**
 * Busy polling of one epoll set: while it waits, the kernel asks the network card instead of
 * waiting for its interrupt. This trades CPU time for latency. Linux 6.9 and later, and only for
 * sockets of cards with NAPI; see ioctl_eventpoll(2).
 */

import { checkInteger, INT32_MAX, invalidType } from '../base/check';
import { EPOLL_PARAMS_BUDGET_BYTE, EPOLL_PARAMS_BYTES, EPOLL_PARAMS_PREFER_BYTE } from '../sys/abi';
import { EPIOCGPARAMS, EPIOCSPARAMS } from '../sys/constants';
import { errno, SystemError } from '../sys/errno';
import { ioctl } from '../sys/ioctl';

const { ENOTTY, EOPNOTSUPP } = errno;

/** `struct epoll_params`, in words. */
export interface BusyPoll {
  /** How long a wait polls the card before it sleeps, 0 to 2**31 - 1; 0 is off, the default. */
  microseconds: number;
  /** The most packets taken in one poll, 0 to 65,535; above 64 needs CAP_NET_ADMIN. */
  budget: number;
  /** Whether the card's interrupts stay off while it is polled. */
  prefer: boolean;
}

const MAX_BUDGET = 0xffff;

const bytes = new Uint8Array(EPOLL_PARAMS_BYTES);
const view = new DataView(bytes.buffer);

/**
 * Read the parameters of the set `epfd`. Throws a {@link SystemError}: ENOTTY before Linux 6.9,
 * EOPNOTSUPP in a kernel built without busy polling.
 */
export function readBusyPoll(epfd: number): BusyPoll {
  control(epfd, EPIOCGPARAMS);
  return {
    microseconds: view.getUint32(0, true),
    budget: view.getUint16(EPOLL_PARAMS_BUDGET_BYTE, true),
    prefer: view.getUint8(EPOLL_PARAMS_PREFER_BYTE) !== 0,
  };
}

/**
 * Set the parameters of the set `epfd`. Throws as {@link readBusyPoll}, and EPERM for a large budget
 * without CAP_NET_ADMIN.
 */
export function writeBusyPoll(epfd: number, parameters: BusyPoll): void {
  if (typeof parameters !== 'object' || parameters === null) {
    throw invalidType('busyPoll', 'an object', parameters);
  }
  const { microseconds, budget, prefer } = parameters;
  checkInteger('busyPoll.microseconds', microseconds, 0, INT32_MAX);
  checkInteger('busyPoll.budget', budget, 0, MAX_BUDGET);
  if (typeof prefer !== 'boolean') throw invalidType('busyPoll.prefer', 'a boolean', prefer);
  bytes.fill(0);
  view.setUint32(0, microseconds, true);
  view.setUint16(EPOLL_PARAMS_BUDGET_BYTE, budget, true);
  view.setUint8(EPOLL_PARAMS_PREFER_BYTE, prefer ? 1 : 0);
  control(epfd, EPIOCSPARAMS);
}

function control(epfd: number, request: number): void {
  const outcome = ioctl(epfd, request, bytes);
  if (outcome >= 0) return;
  // Errors of an older kernel, and of one built without CONFIG_NET_RX_BUSY_POLL.
  const isMissing = outcome === -ENOTTY || outcome === -EOPNOTSUPP;
  const reason = 'this kernel has no busy polling for epoll sets (Linux 6.9 and later)';
  throw new SystemError('ioctl', outcome, { fd: epfd, ...(isMissing ? { reason } : {}) });
}
