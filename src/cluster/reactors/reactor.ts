/**
 * One thread of a {@link ReactorPool}, as the user's module sees it: `start(reactor)` is called once, makes
 * servers with `reactor.listener`, and watches what it likes on `reactor.loop`.
 */

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { EventEmitter } from 'eventemitter3';
import { checkFd, checkInteger } from '../../base/check';
import { setDefaultLoop } from '../../loop/default-loop';
import { EventLoop } from '../../loop/event-loop';
import type { StreamConnection } from '../../net/connection/connection';
import type { Listener } from '../../net/server/listener';
import { closeOwned, disown } from '../../sys/ownership';
import { Bell } from '../accept/bell';
import { ReactorListener } from '../accept/reactor-listener';
import { inboxFull } from '../errors';
import { type Delivery, deliver, InboxReader } from '../inbox';
import type { FromReactor, ReactorThreadData } from './protocol';
import { type ReactorStats, threadStats } from './stats';
import { type StopResult, summedStops } from './stop-result';

/** Events of a {@link Reactor}. */
export interface ReactorEvents<In> {
  /** The pool sent this, by `postMessage` or `broadcast`. */
  message: [value: In];
  /**
   * Another reactor sent an fd, by {@link Reactor.sendFd}. It belongs to the listener, which must close it, and
   * can have it closed with the thread by {@link own}. Without a listener it is closed.
   */
  fd: [fd: number, data: unknown, from: number];
  /** The reactor is about to stop: servers are shut down after the listeners. */
  stop: [];
}

const NO_BYTES = new Uint8Array(0);

/** The target of an fd, and the data that goes along. */
export interface SendFdOptions {
  /** The number of the reactor. */
  to: number;
  /** Anything that can be cloned. */
  data?: unknown;
}

/** The object that the user's `start` may return: `stop` is called, and waited for, when the reactor stops. */
export interface Stoppable {
  stop?: () => unknown;
}

/** The target of a connection that changes its reactor, and the bytes and data that go along. */
export interface HandOverOptions extends SendFdOptions {
  /** Bytes of it that were delivered here and are for the other reactor to handle, before all that comes. */
  head?: Uint8Array;
  /** The number of the listener whose server gets it; 0 if not given. */
  listener?: number;
}

/** How a reactor reports to its pool. */
export type Post = (message: FromReactor) => void;

/** See the head of this file. Made by the pool. */
export class Reactor<Data = unknown, In = unknown, Out = unknown> extends EventEmitter<
  ReactorEvents<In>
> {
  /** From 0 to `count - 1`; a reactor that replaces another has the same. */
  readonly index: number;
  /** How many reactors the pool has. */
  readonly count: number;
  /** A copy of the pool's `data`. */
  readonly data: Data;
  /** The loop of this thread, also its default loop. */
  readonly loop: EventLoop;
  readonly #listeners: readonly ReactorListener[];
  readonly #outboxFds: readonly number[];
  readonly #connections: Int32Array;
  readonly #post: Post;
  readonly #inbox: InboxReader;
  readonly #lag: { histogram: IntervalHistogram; resolutionMs: number } | null;

  /** @internal */
  constructor(setup: ReactorThreadData, post: Post) {
    super();
    this.index = setup.seat;
    this.count = setup.seats;
    this.data = setup.data as Data;
    this.#outboxFds = setup.outboxFds;
    this.#connections = setup.connections;
    this.#post = post;
    this.loop = new EventLoop({ waiter: setup.waiter });
    setDefaultLoop(this.loop);
    const { connections, bells, seat } = setup;
    const shared = {
      loop: this.loop,
      seat,
      seats: { connections, bells },
      drainInbox: () => this.#inbox.drain(),
      onCount: () => this.#count(),
    };
    this.#listeners = setup.listeners.map((ticket) => new ReactorListener(ticket, shared));
    this.#inbox = new InboxReader(setup.inboxFd, this.loop, {
      onDelivery: (fd, delivery) => this.#onDelivery(fd, delivery),
      onLost: (error) => post({ type: 'error', error }),
    });
    // Wakes a loop that sleeps over the pool's messages.
    if (this.loop.isInline) new Bell(this.loop, bells[seat] as number);
    this.#lag = setup.lagResolutionMs > 0 ? startLag(setup.lagResolutionMs) : null;
  }

  /** As {@link listenerAt} of 0, for a pool that listens at one place. */
  get listener(): Listener {
    return this.listenerAt(0);
  }

  /**
   * A listener of the pool, by its number in the option `listen`: for the option `listener` of
   * {@link TcpServer}, {@link UnixServer} and {@link WebSocketServer}. Throws a RangeError if there is none.
   */
  listenerAt(index: number): Listener {
    checkInteger('index', index, 0, this.#listeners.length - 1);
    return this.#listeners[index] as Listener;
  }

  /** Send `value` to the pool, which emits `message`. It is cloned. */
  postMessage(value: Out): void {
    this.#post({ type: 'message', value });
  }

  /**
   * Give `fd` to another reactor, which emits `fd`. It is closed here, and belongs to the kernel in
   * between: if that reactor ends before it takes it, its replacement gets it.
   *
   * Throws a RangeError for a reactor that there is not and for `data` that is too large, an Error
   * ERR_INBOX_FULL if that reactor does not keep up, and a {@link SystemError} EBADF for an fd that is not
   * open: then it stays ours. Does not block.
   */
  sendFd(fd: number, options: SendFdOptions): void {
    checkFd(fd);
    this.#send(fd, options, { kind: 'fd', listener: 0, head: NO_BYTES });
    closeOwned(fd);
  }

  /**
   * Give a connection to another reactor: its first server at `listener` emits `connection`, with `data` as the
   * connection's `attachment`, and then gets `head` and what comes. Here `close` is not emitted.
   *
   * Throws ERR_NOT_DETACHABLE while bytes wait to be sent, see {@link StreamConnection.detach}, and what
   * {@link sendFd} throws: then the connection stays. Without a server there, the client is closed.
   */
  handOver(connection: StreamConnection, options: HandOverOptions): void {
    const { head = NO_BYTES, listener = 0 } = options;
    checkInteger('listener', listener, 0, Math.max(0, this.#listeners.length - 1));
    connection.expectDetachable();
    // First, because it may be refused. This thread reads nothing more of it in between.
    this.#send(connection.fd, options, { kind: 'connection', listener, head });
    closeOwned(connection.detach());
  }

  /** @internal */
  stats(): ReactorStats {
    let accepted = 0;
    for (const listener of this.#listeners) accepted += listener.accepted;
    return { connections: this.#open(), accepted, ...threadStats(this.loop, this.#lag) };
  }

  /** @internal Everything ends by itself, or is cut at the deadline. */
  async stop(deadlineMs: number, isLast: boolean): Promise<StopResult> {
    // The inbox is left to the reactor that replaces this one; if there is none, to the servers here.
    if (isLast) {
      this.#inbox.drain();
      for (const listener of this.#listeners) listener.retire();
    } else {
      this.#inbox.close();
    }
    this.emit('stop');
    const servers = this.#listeners.flatMap((listener) => [...listener.servers]);
    const results = await Promise.all(servers.map((server) => server.shutdown({ deadlineMs })));
    this.#inbox.close();
    this.#lag?.histogram.disable();
    return summedStops(results);
  }

  /** @internal It stops already, and the pool does so, too: the earlier deadline counts. */
  hasten(deadlineMs: number): void {
    for (const { servers } of this.#listeners) {
      for (const server of servers) void server.shutdown({ deadlineMs });
    }
  }

  #send(
    fd: number,
    { to, data }: SendFdOptions,
    rest: Pick<Delivery, 'kind' | 'listener' | 'head'>,
  ): void {
    checkInteger('to', to, 0, this.count - 1);
    const delivery = { ...rest, from: this.index, data };
    if (deliver(this.#outboxFds[to] as number, fd, delivery)) return;
    throw inboxFull(to);
  }

  #onDelivery(fd: number, { kind, listener, from, head, data }: Delivery): void {
    if (kind === 'accepted') {
      if (!this.#listeners[listener]?.take(fd)) closeOwned(fd);
    } else if (kind === 'connection') {
      if (!this.#listeners[listener]?.adopt(fd, head, data)) closeOwned(fd);
    } else {
      if (this.listenerCount('fd') === 0) {
        closeOwned(fd);
        return;
      }
      // The listener may close it in any way: a thread that ends must not close its number once more.
      disown(fd);
      this.emit('fd', fd, data, from);
    }
  }

  #open(): number {
    let open = 0;
    for (const { servers } of this.#listeners) {
      for (const { connections } of servers) open += connections.size;
    }
    return open;
  }

  #count(): void {
    Atomics.store(this.#connections, this.index, this.#open());
  }
}

function startLag(resolutionMs: number) {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  return { histogram, resolutionMs };
}
