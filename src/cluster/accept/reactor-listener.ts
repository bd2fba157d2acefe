/**
 * A listener of the pool as its reactors see it: the {@link Listener} that servers are given. How clients
 * are taken is the strategy's matter; everything here runs in the reactor's thread.
 */

import type { EventLoop } from '../../loop/event-loop';
import type { EventHandler } from '../../loop/registration';
import {
  type AcceptHandler,
  Acceptor,
  type ConnectionSource,
  type SourceOptions,
} from '../../net/server/acceptor';
import type { Listener, ListeningServer } from '../../net/server/listener';
import { duplicate } from '../duplicate';
import { Bell } from './bell';
import { HandedSource } from './handed-source';
import { AcceptMutex, MutexWatch } from './mutex-watch';
import { SharedSetWatch } from './shared-set-watch';
import type { ListenerTicket, SharedSeats } from './ticket';

/** Clients that the holder of an accept mutex takes before it looks whether to give it away. */
const CLIENTS_PER_TURN_OF_MUTEX = 8;

/** The setup of a {@link ReactorListener}. */
export interface ReactorListenerSetup {
  loop: EventLoop;
  seat: number;
  seats: SharedSeats;
  /** Deliver now what the pool has handed to this reactor. */
  drainInbox: () => void;
  /** A connection was opened or closed. */
  onCount: () => void;
}

/** See {@link Listener}. */
export class ReactorListener implements Listener {
  /** Connections that servers of this listener took. */
  accepted = 0;
  /** The pool keeps the socket open, until it stops: see {@link retire}. */
  isShared = true;
  readonly #ticket: ListenerTicket;
  readonly #setup: ReactorListenerSetup;
  readonly #servers = new Set<ListeningServer>();
  readonly #handed = new Set<HandedSource>();

  constructor(ticket: ListenerTicket, setup: ReactorListenerSetup) {
    this.#ticket = ticket;
    this.#setup = setup;
  }

  get loop(): EventLoop {
    return this.#setup.loop;
  }

  /** Those that are open, or still have connections. */
  get servers(): ReadonlySet<ListeningServer> {
    return this.#servers;
  }

  open(): number {
    return duplicate(this.#ticket.fd);
  }

  source(fd: number, options: SourceOptions): ConnectionSource {
    const { onCount } = this.#setup;
    const counted = { ...options, handler: this.#counting(options.handler) };
    const { source, bell } = this.#sourceOf(fd, counted);
    return {
      close: () => {
        source.close();
        bell?.close();
      },
      takeAll: () => source.takeAll(),
      onRoom: () => {
        onCount();
        source.onRoom();
      },
      rest: (syscall, outcome) => source.rest(syscall, outcome),
      ref: () => source.ref(),
      unref: () => source.unref(),
    };
  }

  onServer(server: ListeningServer): void {
    this.#servers.add(server);
    server.once('close', () => this.#servers.delete(server));
  }

  /** A connection that the pool has accepted. False if no server is here to take it. */
  take(fd: number): boolean {
    for (const source of this.#handed) return source.take(fd);
    return false;
  }

  /** A connection of another reactor's server. False if no server is here to take it. */
  adopt(fd: number, head: Uint8Array, attachment: unknown): boolean {
    for (const server of this.#servers) {
      if (!server.listening) continue;
      server.adopt(fd, { head, attachment });
      return true;
    }
    return false;
  }

  /** The pool stops: the last servers take all clients that wait. */
  retire(): void {
    this.isShared = false;
  }

  #counting(handler: AcceptHandler): AcceptHandler {
    return {
      onAccept: (fd) => {
        this.accepted += 1;
        handler.onAccept(fd);
        this.#setup.onCount();
      },
      onNoFds: (fd) => handler.onNoFds(fd),
      onAcceptError: (error) => handler.onAcceptError(error),
      onListenerFailed: (error) => handler.onListenerFailed(error),
      onRevoked: (reason) => handler.onRevoked(reason),
    };
  }

  #sourceOf(fd: number, options: SourceOptions): { source: ConnectionSource; bell?: Bell } {
    const { loop } = options;
    const { strategy, fd: listenerFd, setFd } = this.#ticket;
    switch (strategy) {
      case 'single':
        return { source: this.#handedSource(options) };
      case 'exclusive':
        return { source: new Acceptor(fd, { ...options, trigger: 'exclusive' }) };
      case 'mutex':
        return this.#mutexSource(fd, options);
      case 'oneshot': {
        const watch = (handler: EventHandler): SharedSetWatch =>
          new SharedSetWatch(listenerFd, { loop, setFd, handler });
        return { source: new Acceptor(fd, { ...options, trigger: 'oneshot', watch }) };
      }
      default:
        return { source: new Acceptor(fd, { ...options, trigger: 'level' }) };
    }
  }

  #handedSource(options: SourceOptions): ConnectionSource {
    const { drainInbox } = this.#setup;
    const source = new HandedSource(options, {
      drain: drainInbox,
      onClose: () => this.#handed.delete(source),
    });
    this.#handed.add(source);
    return source;
  }

  #mutexSource(fd: number, options: SourceOptions): { source: ConnectionSource; bell: Bell } {
    const { seat, seats } = this.#setup;
    const { loop } = options;
    const mutex = new AcceptMutex(this.#ticket.lock as Int32Array, seats, seat);
    const bell = new Bell(loop, seats.bells[seat] as number);
    const watch = (handler: EventHandler): MutexWatch => {
      const made = new MutexWatch(fd, { loop, mutex, handler });
      bell.onRing = () => made.onBell();
      return made;
    };
    const trigger = 'level';
    const clientsPerRound = CLIENTS_PER_TURN_OF_MUTEX;
    const source = new Acceptor(fd, { ...options, trigger, watch, clientsPerRound });
    return { source, bell };
  }
}
