/**
 * The object that the user's module gets in a process of a pool: its place, its listeners, messages both ways.
 *
 * It knows the servers that were made by {@link PreforkWorker.listen} or given to
 * {@link PreforkWorker.add}; when the process is to end they finish what they have begun.
 */

import { EventEmitter } from 'eventemitter3';
import { outOfRange } from '../../base/check';
import type { ShutdownOptions } from '../../net/server/shutdown';
import { TcpServer, type TcpServerOptions } from '../../net/server/tcp-server';
import type { WorkerStats } from './options';
import type { ListenerOptions } from './protocol';

/** A server that can finish what it has begun: any of this package. */
export interface DrainableServer {
  shutdown(options: ShutdownOptions): Promise<unknown>;
  readonly connections?: { readonly size: number };
}

/** Events of {@link PreforkWorker}. */
export interface PreforkWorkerEvents {
  /** {@link Prefork.send} was called. */
  message: [value: unknown];
}

/** What `start(worker)` may return: called and awaited when the process is to end. */
export type StopFunction = (options: { deadlineMs: number }) => unknown;

/** See the head of this file. Made by the pool. */
export class PreforkWorker extends EventEmitter<PreforkWorkerEvents> {
  /** The place in the pool, from 0 on; a process that is replaced passes it on. */
  readonly index: number;
  /** How many places there are. */
  readonly processes: number;
  /** Options for servers, as `new TcpServer({ ...worker.endpoints[0] })`: one for each of `listen`. */
  readonly endpoints: readonly ListenerOptions[];
  readonly #send: (value: unknown) => void;
  readonly #servers = new Set<DrainableServer>();

  /** For the pool. */
  constructor(
    place: { index: number; processes: number; endpoints: readonly ListenerOptions[] },
    send: (value: unknown) => void,
  ) {
    super();
    this.index = place.index;
    this.processes = place.processes;
    this.endpoints = place.endpoints;
    this.#send = send;
  }

  /** The inherited listening socket of the first of `listen`; -1 if there is none. */
  get fd(): number {
    const [first] = this.endpoints;
    return first !== undefined && 'fd' in first ? first.fd : -1;
  }

  /**
   * A server at the listener number `listener`, 0 if not given, with `acceptTrigger: 'exclusive'` for
   * a socket that all processes share, unless the options say otherwise; at a unix socket it is
   * `worker.add(new UnixServer(worker.endpoints[0]))`. Throws a RangeError if the pool has no
   * such one, and what {@link TcpServer} throws.
   */
  listen(options: Omit<TcpServerOptions, 'port' | 'fd'> = {}, listener = 0): TcpServer {
    const where = this.endpoints[listener];
    if (where === undefined) {
      throw outOfRange(
        'listener',
        `>= 0 and < ${this.endpoints.length}, as many as "listen" has`,
        listener,
      );
    }
    // Of the processes that share the socket, the kernel wakes one for a client.
    const acceptTrigger = 'fd' in where ? 'exclusive' : 'level';
    return this.add(new TcpServer({ acceptTrigger, ...options, ...where }));
  }

  /** Have `server` finish what it has begun when the process is to end, and count its connections. */
  add<S extends DrainableServer>(server: S): S {
    this.#servers.add(server);
    return server;
  }

  /** To the pool, which emits `message`. The value is copied, as of structuredClone(). */
  send(value: unknown): void {
    this.#send(value);
  }

  /** For the pool. */
  stats(): WorkerStats {
    let connections = 0;
    for (const server of this.#servers) connections += server.connections?.size ?? 0;
    const { user, system } = process.cpuUsage();
    const residentBytes = process.memoryUsage.rss();
    return { connections, residentBytes, cpuMs: (user + system) / 1_000 };
  }

  /** For the pool: `isLast` if no other process goes on with the listeners. */
  async drain(deadlineMs: number, isLast: boolean): Promise<void> {
    const isShared = (this.endpoints[0] === undefined || 'fd' in this.endpoints[0]) && !isLast;
    const options = { deadlineMs, handedOver: isShared };
    await Promise.all([...this.#servers].map((server) => server.shutdown(options)));
  }
}
