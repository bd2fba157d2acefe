/** The events that epoll is to watch a connection for. Decides, and touches nothing. */
import * as constants from '../../sys/constants';
import type { ConnectionSettings } from './options';
import type { ConnectionState } from './state';

const { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } = constants;

/**
 * The mask of EPOLLIN and so on. Level-triggered, a paused or ended socket would report again and again
 * what is not taken (EPOLLHUP cannot even be masked), so those are edge-triggered too. Resuming is an
 * EPOLL_CTL_MOD, which looks again, as does one that adds EPOLLOUT. An edge-triggered connection has
 * EPOLLOUT from the beginning. An end that waits for the next turn is worth no epoll_ctl.
 */
export function interestOf(
  { trigger, writeStrategy, urgentData }: ConnectionSettings<unknown>,
  { reading, flowing }: ConnectionState,
  wantsWritable: boolean,
): number {
  const isEdge = trigger === 'edge';
  const isNaive = writeStrategy === 'always';
  let mask = isEdge || isNaive || wantsWritable ? EPOLLOUT : 0;
  if (flowing) mask |= EPOLLIN | EPOLLRDHUP;
  if (isEdge || (!flowing && !isNaive)) mask |= EPOLLET;
  // Urgent data makes recv(2) stop short; the edge reader must know.
  const wantsUrgent = urgentData && reading !== 'ended';
  if (wantsUrgent || (isEdge && flowing)) mask |= EPOLLPRI;
  return mask >>> 0;
}
