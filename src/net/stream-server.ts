/**
 * What TCP and unix servers have in common: a listening socket, an acceptor, and the connections
 * that are open. The server decides nothing about what is said on a connection.
 */
import { EventEmitter } from 'eventemitter3';
import type { z } from 'zod';
import { defaultLoop } from '../loop/default-loop';
import type { EventLoop } from '../loop/event-loop';
import { isFdGone } from '../loop/registration';
import { unwrap } from '../sys/errno';
import { closeOwned, disown, own } from '../sys/ownership';
import { type AcceptHandler, Acceptor, type AcceptTrigger } from './acceptor';
import {
  type ConnectionOwner,
  type ConnectionSettings,
  type connectionOptionsSchema,
  connectionSettings,
} from './connection-options';
import type { SocketFile } from './socket-file';
import { TcpConnection } from './tcp-connection';

/** Events of every server. */
export interface StreamServerEvents {
  /** A connection was accepted. Attach listeners now: its data comes with the next turn. */
  connection: [connection: TcpConnection];
  /** A connection could not be accepted (EMFILE); the server goes on. Need not be listened to. */
  error: [error: Error];
  /** Closed, and the last connection is gone. */
  close: [];
}

/** `listening`: takes connections. `closing`: waits for the last one to go. `closed`. */
type ServerState = 'listening' | 'closing' | 'closed';

/** What a server tells its base. */
export interface StreamServerSetup extends z.output<typeof connectionOptionsSchema> {
  acceptTrigger: AcceptTrigger;
  loop: EventLoop | undefined;
  /** What is to be removed when the listening ends. */
  file?: SocketFile;
}

/** A listening socket with its connections. */
export abstract class StreamServer
  extends EventEmitter<StreamServerEvents>
  implements AcceptHandler, ConnectionOwner<TcpConnection>
{
  readonly #fd: number;
  readonly #file: SocketFile | null;
  readonly #acceptor: Acceptor;
  readonly #settings: ConnectionSettings<TcpConnection>;
  readonly #connections = new Set<TcpConnection>();
  #state: ServerState = 'listening';

  /** Takes `fd` over, which listens: it is closed with the server, and if this constructor throws. */
  constructor(fd: number, setup: StreamServerSetup) {
    super();
    this.#fd = fd;
    this.#file = setup.file ?? null;
    try {
      const loop = setup.loop ?? defaultLoop();
      this.#settings = connectionSettings(setup, { loop, owner: this });
      this.#acceptor = new Acceptor(fd, { loop, trigger: setup.acceptTrigger, handler: this });
    } catch (error) {
      this.#file?.remove();
      closeOwned(fd);
      throw error;
    }
    // Again: the loop may have revoked a stale owner of the same number, who disowned it.
    own(fd);
  }

  /** The loop that does the work. */
  get loop(): EventLoop {
    return this.#settings.loop;
  }

  /** The connections that are open. */
  get connections(): ReadonlySet<TcpConnection> {
    return this.#connections;
  }

  get listening(): boolean {
    return this.#state === 'listening';
  }

  /** Take no more connections. The open ones go on; `close` is told when the last has gone. */
  close(): void {
    if (this.#state !== 'listening') return;
    this.#stopListening();
    unwrap(closeOwned(this.#fd), 'close', { fd: this.#fd });
  }

  /** As {@link close}, and cut every connection. */
  destroy(): void {
    this.close();
    for (const connection of [...this.#connections]) connection.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** Hold the process open while listening; the default. */
  ref(): void {
    this.#acceptor.ref();
  }

  /** Do not hold the process open. Connections still do. */
  unref(): void {
    this.#acceptor.unref();
  }

  /** For the acceptor. */
  onAccept(fd: number): void {
    const connection = new TcpConnection(fd, this.#settings);
    this.#connections.add(connection);
    this.emit('connection', connection);
  }

  /** For a connection. */
  onConnectionClose(connection: TcpConnection): void {
    this.#connections.delete(connection);
    if (this.#state === 'closing') this.#closeWhenEmpty();
  }

  /** For the acceptor. */
  onAcceptError(error: Error): void {
    this.emit('error', error);
  }

  /** For the acceptor. A loop that was closed cuts the connections itself. */
  onRevoked(reason: Error): void {
    if (!isFdGone(reason)) return this.close();
    disown(this.#fd);
    this.#stopListening();
    this.emit('error', reason);
  }

  /** Everything but closing the fd. */
  #stopListening(): void {
    this.#state = 'closing';
    this.#acceptor.close();
    this.#file?.remove();
    this.#closeWhenEmpty();
  }

  #closeWhenEmpty(): void {
    if (this.#connections.size > 0) return;
    this.#state = 'closed';
    // Later, so that a caller of close() can still attach a listener.
    process.nextTick(() => this.emit('close'));
  }
}
