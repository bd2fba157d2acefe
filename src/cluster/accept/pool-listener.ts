/**
 * A listener of a pool, in the pool's thread: the sockets, and what its strategy needs beside them.
 *
 * The sockets are the pool's as long as it runs, and reactors have duplicates. So a reactor that ends, in
 * whatever way, resets no client in a backlog: its siblings or its replacement go on with it.
 */
import { Epoll } from '../../epoll/epoll';
import type { EventLoop } from '../../loop/event-loop';
import { boundAddress, listenSocket } from '../../net/server/listen-socket';
import { listenUnixSocket } from '../../net/server/unix-listen-socket';
import type { SocketFile } from '../../net/socket/socket-file';
import type { SocketAddress } from '../../sys/address';
import { EPOLLIN, EPOLLONESHOT } from '../../sys/constants';
import { closeOwned } from '../../sys/ownership';
import { type Balance, Dispatcher } from './dispatcher';
import { AcceptMutex } from './mutex-watch';
import { armShared } from './shared-set-watch';
import { spreadByCpu } from './spread-by-cpu';
import type { AcceptStrategy, ListenerTicket, SharedSeats } from './ticket';

/** Where to listen: at an address, or at a path of unix(7). */
export interface ListenAt {
  port?: number | undefined;
  host: string;
  path?: string | undefined;
  backlog: number;
  ipv6Only: boolean;
}

/** The setup of a {@link PoolListener}. */
export interface PoolListenerSetup {
  strategy: AcceptStrategy;
  balance: Balance;
  /** `reuseport`: spread clients by the CPU that received them. */
  spreadByCpu: boolean;
  /** The number of the listener. */
  listener: number;
  seats: SharedSeats;
  inboxes: readonly number[];
  loop: EventLoop;
  onError: (error: Error) => void;
}

/** One listener, for all seats. */
export class PoolListener {
  /** Where it listens; a path is text. */
  readonly address: SocketAddress | string;
  readonly #setup: PoolListenerSetup;
  /** One for all seats, or one for each. */
  readonly #fds: number[] = [];
  #file: SocketFile | null = null;
  #set: Epoll | null = null;
  #lock: Int32Array | null = null;
  #dispatcher: Dispatcher | null = null;
  #state: 'open' | 'closed' = 'open';

  /** Listens. Throws what a server throws: EADDRINUSE and so on; then nothing is left open. */
  constructor(at: ListenAt, setup: PoolListenerSetup) {
    this.#setup = setup;
    try {
      this.address = at.path === undefined ? this.#listenTcp(at) : this.#listenUnix(at.path, at);
      this.#prepare(this.#fds[0] as number);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** For the reactor of `seat`. */
  ticket(seat: number): ListenerTicket {
    const { strategy, listener } = this.#setup;
    const fd = this.#fds[seat] ?? (this.#fds[0] as number);
    return { strategy, listener, fd, setFd: this.#set?.fd ?? -1, lock: this.#lock };
  }

  /**
   * A reactor of `seat` has ended: what it had in its hands goes to the others. A lock is the seat's, and so
   * stays where another reactor runs there.
   */
  onReactorEnd(seat: number, isVacant: boolean): void {
    if (this.#state === 'closed') return;
    const { seats } = this.#setup;
    if (isVacant && this.#lock !== null) new AcceptMutex(this.#lock, seats, seat).leave();
    if (this.#set !== null) armShared(this.#set, this.#fds[0] as number);
  }

  /**
   * Close the pool's part. Reactors that still have theirs take the clients that wait; if there are none, those
   * clients are reset. With `single`, clients that wait are handed out first.
   */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#dispatcher?.close();
    this.#set?.close();
    for (const fd of this.#fds) closeOwned(fd);
    this.#file?.remove();
  }

  #listenTcp({ port = 0, host, backlog, ipv6Only }: ListenAt): SocketAddress {
    const { strategy, seats } = this.#setup;
    const reusePort = strategy === 'reuseport';
    const settings = { host, backlog, reusePort, ipv6Only, noDelay: true, deferAcceptSeconds: 0 };
    const first = listenSocket({ ...settings, port });
    this.#fds.push(first);
    const address = boundAddress(first);
    if (!reusePort) return address;
    while (this.#fds.length < seats.connections.length) {
      this.#fds.push(listenSocket({ ...settings, port: address.port }));
    }
    if (this.#setup.spreadByCpu) spreadByCpu(first, this.#fds.length);
    return address;
  }

  #listenUnix(path: string, { backlog }: ListenAt): string {
    const { fd, file } = listenUnixSocket({ path, backlog });
    this.#fds.push(fd);
    this.#file = file;
    return path;
  }

  #prepare(fd: number): void {
    const { strategy, balance, listener, inboxes, seats, loop, onError } = this.#setup;
    if (strategy === 'mutex') this.#lock = new Int32Array(new SharedArrayBuffer(4));
    if (strategy === 'oneshot') {
      this.#set = new Epoll({ maxEvents: 1 });
      this.#set.add(fd, EPOLLIN | EPOLLONESHOT);
    }
    if (strategy !== 'single') return;
    const { connections } = seats;
    this.#dispatcher = new Dispatcher(fd, {
      loop,
      balance,
      listener,
      inboxes,
      connections,
      onError,
    });
  }
}
