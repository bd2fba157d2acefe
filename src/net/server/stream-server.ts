/**
 * The common part of TCP and unix servers: a listening socket, an acceptor, and the open
 * connections. The server knows nothing of the protocol on a connection.
 */
import { EventEmitter } from 'eventemitter3';
import { z } from 'zod';
import { refuseExtra } from '../../base/check';
import { parseOptions } from '../../base/options';
import { reportFailure, reportTrouble } from '../../base/unheard';
import { defaultLoop } from '../../loop/default-loop';
import type { EventLoop } from '../../loop/event-loop';
import { closeRefused, isFdGone } from '../../loop/registration';
import { SystemError, unwrap } from '../../sys/errno';
import { close } from '../../sys/io';
import { closeOrRedirectToNull, disown, own } from '../../sys/ownership';
import { StreamConnection } from '../connection/connection';
import { checkLimit, deadlinesOf, idleError, type ReadRate } from '../connection/deadlines';
import {
  type ConnectionSettings,
  type connectionOptionsSchema,
  connectionSettings,
} from '../connection/options';
import type { SocketFile } from '../socket/socket-file';
import { Acceptor, type AcceptTrigger, type ConnectionSource } from './acceptor';
import { type DroppedConnection, type DropReason, describeDrop } from './drop';
import type { ServerLimits } from './limits';
import type { Listener } from './listener';
import { PeerCounts, type PeerKey } from './peer-counts';
import type { PeerLimit } from './peer-limit';
import {
  ServerShutdown,
  type ShutdownOptions,
  type ShutdownResult,
  shutdownOptionFields,
} from './shutdown';

/** Events of every server. */
export interface StreamServerEvents {
  /** A connection was accepted. Attach listeners now: its data comes with the next turn. */
  connection: [connection: StreamConnection];
  /**
   * Connections cannot be accepted (EMFILE); the server goes on. One error in ten seconds at most,
   * however many clients there are: without a listener a warning. Or the listener was shut down by
   * a process that shares it (EINVAL), or closed (EBADF), and the server closes: without a listener an
   * uncaught exception.
   */
  error: [error: Error];
  /** A connection beyond a limit, or beyond the last fd, was accepted and closed at once. */
  drop: [dropped: DroppedConnection];
  /** Closed, and the last connection is gone. */
  close: [];
}

/** `listening`: takes connections. `closing`: waits for the last one to go. `closed`. */
type ServerState = 'listening' | 'closing' | 'closed';

/** The description of a server for its base class. */
export interface StreamServerSetup extends z.output<typeof connectionOptionsSchema> {
  acceptTrigger: AcceptTrigger;
  loop: EventLoop | undefined;
  /** The file to remove when the listening ends. */
  file?: SocketFile | null;
  /** Where connections come from; an {@link Acceptor} of `fd` if not given. */
  listener?: Listener | undefined;
  /** Open connections, at most; without limit if undefined. */
  maxConnections: number | undefined;
  /** The maximum for each peer; null for no limit. */
  peerLimit: PeerLimit | null;
  /** The options that the program gave: see {@link StreamServer.limitByDefault}. */
  given: ReadonlySet<string>;
}

const shutdownSchema = z.strictObject(shutdownOptionFields);

/**
 * A listening socket with its connections. An emitter of eventemitter3, as all of this package:
 * `instanceof` the EventEmitter of node:events is false.
 */
export abstract class StreamServer extends EventEmitter<StreamServerEvents> {
  readonly #fd: number;
  readonly #file: SocketFile | null;
  readonly #source: ConnectionSource;
  readonly #listener: Listener | null;
  readonly #settings: ConnectionSettings<StreamConnection>;
  readonly #connections = new Set<StreamConnection>();
  #maxConnections: number;
  readonly #given: ReadonlySet<string>;
  readonly #peerLimit: PeerLimit | null;
  /** Null without a limit for each peer. */
  readonly #peers: PeerCounts<StreamConnection> | null;
  #dropped = 0;
  #state: ServerState = 'listening';
  #shutdown: ServerShutdown | null = null;

  /**
   * Takes over `fd`, which listens: closes it with the server, and if this constructor throws,
   * except if another server of the loop already has it (EEXIST).
   */
  constructor(fd: number, setup: StreamServerSetup) {
    super();
    this.#fd = fd;
    this.#file = setup.file ?? null;
    this.#listener = setup.listener ?? null;
    const { maxConnections = Infinity, peerLimit, acceptTrigger: trigger } = setup;
    this.#maxConnections = maxConnections;
    this.#given = setup.given;
    this.#peerLimit = peerLimit;
    this.#peers = peerLimit === null ? null : new PeerCounts(peerLimit.max);
    try {
      const loop = setup.loop ?? setup.listener?.loop ?? defaultLoop();
      this.#settings = connectionSettings(setup, { loop, owner: this });
      const address = peerLimit?.address ?? null;
      const options = { loop, handler: this, address };
      this.#source =
        this.#listener?.source(fd, options) ?? new Acceptor(fd, { ...options, trigger });
    } catch (error) {
      if (closeRefused(fd, error)) this.#file?.remove();
      else this.#file?.release();
      throw error;
    }
    // Again: the loop may have revoked a stale owner of the same number, which disowned it.
    own(fd);
    this.#listener?.onServer(this);
  }

  /**
   * The listening socket, or -1 once closed: to pass to another process, by {@link sendFds} or in
   * the `stdio` of a child. It stays ours; do nothing else with it.
   */
  get fd(): number {
    return this.listening ? this.#fd : -1;
  }

  /** The loop that does the work. */
  get loop(): EventLoop {
    return this.#settings.loop;
  }

  /** The connections that are open. */
  get connections(): ReadonlySet<StreamConnection> {
    return this.#connections;
  }

  /** How many connections were turned away so far; see the event `drop`. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The limits for new connections: given, or defaults of the protocols on this server. */
  get limits(): Readonly<ServerLimits> {
    const { idleTimeoutMs, writeTimeoutMs, lifetimeMs, minReadRate = null } = this.#settings;
    const maxConnections = this.#maxConnections;
    return { maxConnections, idleTimeoutMs, writeTimeoutMs, lifetimeMs, minReadRate };
  }

  /** The `minReadRate` of {@link limits}. */
  get minReadRate(): ReadRate | null {
    return this.#settings.minReadRate ?? null;
  }

  /**
   * Whether the program gave this option: 0, null and Infinity are given, undefined is not.
   * @internal
   */
  isGiven(option: keyof ServerLimits): boolean {
    return this.#given.has(option);
  }

  /** For protocols: the limits from now on, where the program gave none. @internal */
  limitByDefault({ maxConnections, ...limits }: Partial<ServerLimits>): void {
    const isFree = ([name]: [string, unknown]): boolean => !this.#given.has(name);
    Object.assign(this.#settings, Object.fromEntries(Object.entries(limits).filter(isFree)));
    if (maxConnections !== undefined && !this.isGiven('maxConnections')) {
      this.#maxConnections = maxConnections;
    }
  }

  get listening(): boolean {
    return this.#state === 'listening';
  }

  /**
   * Take no more connections, finish the open ones, and destroy those still open at the deadline.
   *
   * Clients in the backlog are still accepted and served, unless the listener was handed over.
   * Bytes that have arrived are delivered. Then each connection is ended after its queued bytes, or
   * finished by its protocol: see `onShutdown` of {@link ConnectionHandler}.
   *
   * Resolves when the last connection has gone, with the numbers of ended and cut ones; those that
   * are cut get an error ERR_SHUTDOWN_DEADLINE. Also after {@link close}. Called again, it returns
   * the same result, and the earlier deadline counts. Rejects with a TypeError that names a wrong
   * option.
   */
  async shutdown(options: ShutdownOptions = {}, noCallback?: never): Promise<ShutdownResult> {
    refuseExtra('shutdown', noCallback, 'it returns a promise');
    const { deadlineMs, handedOver } = parseOptions('shutdown', shutdownSchema, options);
    const shutdown =
      this.#shutdown ?? this.#beginShutdown(handedOver || this.#listener?.isShared === true);
    if (this.#state === 'closed') shutdown.finish();
    else shutdown.limit(deadlineMs);
    return shutdown.result;
  }

  /** Take no more connections. The open ones go on; `close` is emitted when the last has gone. */
  close(noCallback?: never): void {
    refuseExtra('close', noCallback, 'listen to "close"');
    if (this.#state !== 'listening') return;
    this.#stopListening();
    unwrap(closeOrRedirectToNull(this.#fd), 'close', { fd: this.#fd });
  }

  /** As {@link close}, and cut every connection. */
  destroy(): void {
    this.close();
    for (const connection of [...this.#connections]) {
      this.#shutdown?.onCut(connection);
      connection.destroy();
    }
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /**
   * Cut the connections on which no bytes have moved for `idleMs`, with ETIMEDOUT. Returns how
   * many. It looks at each connection: for a program that makes a pass over its users from time to
   * time. `idleTimeoutMs` needs no such pass.
   */
  sweep(idleMs: number): number {
    checkLimit('idleMs', idleMs);
    const deadlines = deadlinesOf(this.loop);
    const now = performance.now();
    let count = 0;
    for (const connection of this.#connections) {
      if (!deadlines.isIdle(connection, { idleMs, now }) || connection.hasUnread()) continue;
      connection.destroy(idleError(idleMs, 'sweep'));
      count += 1;
    }
    return count;
  }

  /** Hold the process open while listening; the default. */
  ref(): void {
    this.#source.ref();
  }

  /** Do not hold the process open. Connections still do. */
  unref(): void {
    this.#source.unref();
  }

  /** For the acceptor. @internal */
  onAccept(fd: number): void {
    if (this.#connections.size >= this.#maxConnections) return this.#drop(fd, 'maxConnections');
    if (this.#peers === null) return this.#open(fd, null);
    const { keyOf, reason } = this.#peerLimit as PeerLimit;
    const key = keyOf(fd);
    if (key !== null && this.#peers.isFull(key)) return this.#drop(fd, reason);
    this.#open(fd, key);
  }

  /** For the acceptor. @internal */
  onNoFds(fd: number): void {
    this.#drop(fd, 'noFds');
  }

  /** For a connection. @internal */
  onConnectionClose(connection: StreamConnection): void {
    this.#connections.delete(connection);
    this.#peers?.remove(connection);
    this.#shutdown?.onConnectionClose();
    if (this.#state === 'closing') this.#closeWhenEmpty();
    else this.#source.onRoom();
  }

  /** For the acceptor. @internal */
  onAcceptError(error: Error): void {
    reportTrouble(this, error);
  }

  /** For the acceptor. @internal */
  onListenerFailed(error: Error): void {
    this.close();
    reportFailure(this, error);
  }

  /** For the acceptor. A loop that was closed cuts the connections itself. @internal */
  onRevoked(reason: Error): void {
    if (!isFdGone(reason)) return this.close();
    disown(this.#fd);
    this.#stopListening();
    reportFailure(this, reason);
  }

  #beginShutdown(handedOver: boolean): ServerShutdown {
    const shutdown = new ServerShutdown(this.loop, this.#connections);
    // First, because a listener of `connection` may ask for the same.
    this.#shutdown = shutdown;
    if (handedOver) this.#file?.release();
    else if (this.listening) this.#source.takeAll();
    this.close();
    shutdown.begin();
    return shutdown;
  }

  #open(fd: number, peer: PeerKey | null): void {
    const connection = this.#connect(fd);
    if (connection === null) return;
    this.#connections.add(connection);
    if (peer !== null) this.#peers?.add(connection, peer);
    this.emit('connection', connection);
  }

  /** Null if the kernel has no memory, or no watch, for one more: as much a shortage as of fds. */
  #connect(fd: number): StreamConnection | null {
    try {
      return new StreamConnection(fd, this.#settings);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#source.rest(error.syscall, error.errno);
      return null;
    }
  }

  /**
   * Close an accepted client at once: a client that knows can go elsewhere, one in a queue waits.
   */
  #drop(fd: number, reason: DropReason): void {
    this.#dropped += 1;
    // Addresses cost two calls and some text, and after the close they are gone.
    const dropped = this.listenerCount('drop') > 0 ? describeDrop(fd, reason) : null;
    close(fd);
    if (dropped !== null) this.emit('drop', dropped);
  }

  /** Everything but closing the fd. */
  #stopListening(): void {
    this.#state = 'closing';
    this.#source.close();
    this.#file?.remove();
    this.#closeWhenEmpty();
  }

  #closeWhenEmpty(): void {
    if (this.#connections.size > 0) return;
    this.#state = 'closed';
    // Later, so that a caller of close() can still attach a listener.
    process.nextTick(() => {
      this.#shutdown?.finish();
      this.emit('close');
    });
  }
}
