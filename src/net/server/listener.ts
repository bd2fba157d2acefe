/**
 * A listening socket that another owner has opened and shares out, with the way its connections are taken.
 * A server takes it in place of an address. A thread of a pool has one, see `Reactor.listener`.
 */
import { z } from 'zod';
import type { EventLoop } from '../../loop/event-loop';
import type { ConnectionSource, SourceOptions } from './acceptor';
import type { ShutdownOptions, ShutdownResult } from './shutdown';

/** The methods that the owner of a {@link Listener} needs of a server; a {@link StreamServer} is one. */
export interface ListeningServer {
  readonly connections: ReadonlySet<unknown>;
  shutdown(options?: ShutdownOptions): Promise<ShutdownResult>;
  destroy(): void;
  once(event: 'close', listener: () => void): unknown;
}

/** See the head of this file. The methods are for servers. */
export interface Listener {
  /** The loop for a server that is given none. */
  readonly loop: EventLoop;
  /** Whether others take the clients that wait when a server of this listener has closed. */
  readonly isShared: boolean;
  /** An fd of its own for one server, which closes it. Throws EMFILE or ENFILE. */
  open(): number;
  /** Where that server gets its connections from; `fd` is what {@link open} returned. */
  source(fd: number, options: SourceOptions): ConnectionSource;
  /** A server has been made. */
  onServer(server: ListeningServer): void;
}

/** The option `listener` of a server. */
export const listenerField = z.custom<Listener>(
  (value) => typeof (value as Listener | null)?.source === 'function',
  { error: 'expected the listener of a Reactor' },
);

/** An option of a server that says how to listen, where a `listener` does. */
export const notWithListener = z
  .undefined({ error: 'not together with "listener", which says how to listen' })
  .optional();
