/** What epoll is to watch a connection for. Decides, and touches nothing. */
import * as constants from '../../sys/constants';
import type { ConnectionSettings } from './options';

const { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } = constants;

/**
 * `flowing`: delivered as it comes. `paused`: left in the kernel. `ending`, `failing`: the FIN, or an
 * error, was found, and is delivered in the next turn. `ended`: it was delivered.
 */
export type ReadState = 'flowing' | 'paused' | 'ending' | 'failing' | 'ended';

/**
 * The mask of EPOLLIN and so on. Level-triggered, a paused or ended socket would report what nobody
 * takes (EPOLLHUP cannot even be masked), so those are edge-triggered too. Resuming is an
 * EPOLL_CTL_MOD, which looks again, as does one that adds EPOLLOUT. An edge-triggered connection has
 * EPOLLOUT from the beginning. An end that waits for the next turn is worth no epoll_ctl.
 */
export function interestOf(
  { trigger, writeStrategy, urgentData }: ConnectionSettings<unknown>,
  reading: ReadState,
  wantsWritable: boolean,
): number {
  const isEdge = trigger === 'edge';
  const isFlowing = reading !== 'paused' && reading !== 'ended';
  const isNaive = writeStrategy === 'always';
  let mask = isEdge || isNaive || wantsWritable ? EPOLLOUT : 0;
  if (isFlowing) mask |= EPOLLIN | EPOLLRDHUP;
  if (isEdge || (!isFlowing && !isNaive)) mask |= EPOLLET;
  // Urgent data makes recv(2) stop short; the edge reader must know.
  const wantsUrgent = urgentData && reading !== 'ended';
  if (wantsUrgent || (isEdge && isFlowing)) mask |= EPOLLPRI;
  return mask >>> 0;
}
