/** One listener of a pool, as a reactor gets it. It crosses a thread, so it is data only. */

/**
 * The thread that accepts a client, and how it is found.
 *
 * - `single`: the pool's thread accepts, and hands each connection to a reactor.
 * - `shared`: all reactors watch one socket, and all wake for each client: the thundering herd.
 * - `mutex`: one reactor at a time watches it, the holder of a lock in shared memory.
 * - `exclusive`: all watch it, and the kernel wakes one (EPOLLEXCLUSIVE).
 * - `oneshot`: all watch one epoll set that has it one-shot; one of those that wake gets the event, and
 *   arms it again when it has accepted.
 * - `reuseport`: each has a socket of its own at the same address, among which the kernel spreads clients.
 */
export type AcceptStrategy = (typeof ACCEPT_STRATEGIES)[number];

/** The names of {@link AcceptStrategy}. */
export const ACCEPT_STRATEGIES = [
  'single',
  'shared',
  'mutex',
  'exclusive',
  'oneshot',
  'reuseport',
] as const;

/** One listener of the pool, for one seat. */
export interface ListenerTicket {
  strategy: AcceptStrategy;
  /** Its number in the pool. */
  listener: number;
  /** The pool's fd: a reactor duplicates it. */
  fd: number;
  /** `oneshot`: the pool's epoll set that has `fd`; else -1. */
  setFd: number;
  /** `mutex`: the lock; else null. */
  lock: Int32Array | null;
}

/** The parts that all listeners of a pool share: memory and fds of the pool, by seat. */
export interface SharedSeats {
  /** Open connections; {@link VACANT} while no reactor runs there. */
  connections: Int32Array;
  /** Eventfds that wake the reactor of a seat. */
  bells: readonly number[];
}

/** No reactor runs in the seat. */
export const VACANT = -1;

/** The seat with the fewest connections among those that have a reactor and fulfil `where`; -1 if none. */
export function leastLoaded(
  connections: Int32Array,
  where: (seat: number) => boolean = () => true,
): number {
  let least = -1;
  let count = Infinity;
  for (let seat = 0; seat < connections.length; seat += 1) {
    const open = Atomics.load(connections, seat);
    if (open === VACANT || open >= count || !where(seat)) continue;
    least = seat;
    count = open;
  }
  return least;
}
