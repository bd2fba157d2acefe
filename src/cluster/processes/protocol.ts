/** The messages between a pool and its processes, over Node's IPC. */
import type { WorkerStats } from './options';

/** The variable by which a process gets its {@link Setup}, as JSON; it does not stay in `process.env`. */
export const SETUP_VARIABLE = 'EPOLL_FFI_PREFORK';

/** The first inherited listener: SD_LISTEN_FDS_START of sd_listen_fds(3), after stdin, stdout and stderr. */
export const FIRST_FD = 3;

/** Options of a server that listens where the pool says: an inherited socket, or one of its own. */
export type ListenerOptions =
  | { fd: number }
  | { host: string; port: number; backlog: number; ipv6Only: boolean; reusePort: true };

/** The data that a process is started with. */
export interface Setup {
  /** The path of the user's module. */
  module: string;
  index: number;
  processes: number;
  endpoints: ListenerOptions[];
  /** For a process that drains without being asked by the pool. */
  deadlineMs: number;
}

/** To a process. `isLast`: no other process goes on with the listeners. */
export type ToChild =
  | { type: 'stop'; deadlineMs: number; isLast: boolean }
  | { type: 'stats'; id: number }
  | { type: 'message'; value: unknown };

/** From a process. */
export type FromChild =
  | { type: 'online' }
  | { type: 'failed'; reason: string; stack: string }
  | { type: 'stats'; id: number; stats: WorkerStats }
  | { type: 'message'; value: unknown };

/** A message of ours among those that the user's module may send by `process.send`. */
export interface Envelope<M> {
  epollFfi: M;
}

/** The message in the envelope; null if it is none. */
export function opened<M>(message: unknown): M | null {
  if (typeof message !== 'object' || message === null || !('epollFfi' in message)) return null;
  return (message as Envelope<M>).epollFfi;
}
