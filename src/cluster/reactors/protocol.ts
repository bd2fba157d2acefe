/** The messages between a pool and its reactors. */
import type { ListenerTicket } from '../accept/ticket';
import type { ReactorStats } from './stats';

/** The `workerData` of a reactor's thread. */
export interface ReactorThreadData {
  /** See base/loading-threads.ts. */
  progress: Int32Array;
  /** The user's module. */
  module: string;
  seat: number;
  seats: number;
  /** The user's `data`. */
  data: unknown;
  listeners: ListenerTicket[];
  /** See {@link SharedSeats}. */
  connections: Int32Array;
  bells: readonly number[];
  /** The inbox of this seat, to read. */
  inboxFd: number;
  /** Those of all seats, to write. */
  outboxFds: readonly number[];
  waiter: 'thread' | 'inline';
  lagResolutionMs: number;
}

/** To a reactor. */
export type ToReactor =
  | { type: 'message'; value: unknown }
  | { type: 'stats'; id: number }
  /** `isLast`: no other reactor goes on with the listeners. */
  | { type: 'stop'; deadlineMs: number; isLast: boolean };

/** To the pool. */
export type FromReactor =
  | { type: 'started' }
  /** The module is wrong, or its `start` threw. */
  | { type: 'failed'; reason: string; thrown: unknown }
  | { type: 'message'; value: unknown }
  | { type: 'stats'; id: number; stats: ReactorStats }
  /** Something went wrong that ends nothing. */
  | { type: 'error'; error: Error }
  | { type: 'stopped'; ended: number; cut: number };
