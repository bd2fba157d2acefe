/**
 * Threads that each run an event loop and the user's module: the same servers on all cores.
 *
 * The pool opens the listening sockets and keeps them, so no client in a backlog is lost when a reactor ends.
 * Reactors share nothing but those sockets; an fd changes from one to another by {@link Reactor.sendFd}. The
 * pool's own thread does nothing while they work, except with `accept: 'single'`, where it accepts.
 *
 * A reactor that throws, or runs out of memory, is replaced; its connections are closed by Node, and its
 * siblings go on. After too many crashes in a row the pool stops, and emits one `error`.
 */

import { EventEmitter } from 'eventemitter3';
import { refuseExtra } from '../../base/check';
import { parseOptions } from '../../base/options';
import { reportFailure, reportTrouble } from '../../base/unheard';
import { Waker } from '../../epoll/waker';
import { defaultLoop } from '../../loop/default-loop';
import type { EventLoop } from '../../loop/event-loop';
import type { SocketAddress } from '../../sys/address';
import { PoolListener } from '../accept/pool-listener';
import { type SharedSeats, VACANT } from '../accept/ticket';
import { poolState, reactorCrashes } from '../errors';
import { closeInbox, type InboxFds, makeInbox } from '../inbox';
import { type PoolSettings, poolSchema, type ReactorPoolOptions, stopSchema } from './options';
import { ReactorWorker } from './reactor-worker';
import { Seat } from './seat';
import { type PoolStats, summed } from './stats';
import { type StopResult, summedStops } from './stop-result';

/** A reactor that does not answer within this time has no statistics. */
const STATS_MS = 1_000;

/** Events of a {@link ReactorPool}. */
export interface ReactorPoolEvents<Out> {
  /** A reactor runs: the first one of its number, or one that replaces another. */
  online: [index: number];
  /** A reactor sent this, by {@link Reactor.postMessage}. */
  message: [value: Out, index: number];
  /** A reactor ended without being asked to. It is replaced. */
  crash: [error: Error, index: number];
  /**
   * The pool has stopped: a reactor crashed too often in a row (`ERR_REACTOR_CRASHES`). Or clients cannot be
   * accepted, and the pool goes on; see {@link TcpServer}.
   */
  error: [error: Error];
  /** All reactors have ended. */
  close: [];
}

/** What {@link ReactorPool.stop} and {@link ReactorPool.restart} take. */
export interface StopOptions {
  /** How long the connections of a reactor have to end by themselves; 10,000 if not given. */
  deadlineMs?: number;
}

/** `new`, `starting`, `running`, `stopping`, `stopped`: in this order, each once. */
type PoolState = 'new' | 'starting' | 'running' | 'stopping' | 'stopped';

/** See the head of this file. */
export class ReactorPool<Data = unknown, In = unknown, Out = unknown> extends EventEmitter<
  ReactorPoolEvents<Out>
> {
  readonly #settings: PoolSettings;
  readonly #loop: EventLoop;
  readonly #seats: Seat[];
  readonly #shared: SharedSeats;
  readonly #bells: Waker[] = [];
  readonly #inboxes: InboxFds[] = [];
  readonly #listeners: PoolListener[] = [];
  #state: PoolState = 'new';
  #crashes = 0;
  #requests = 0;
  #stopping: Promise<StopResult> | null = null;

  /** Checks the options, and opens nothing. Throws a TypeError that names a wrong option. */
  constructor(options: ReactorPoolOptions<Data>, noCallback?: never) {
    super();
    refuseExtra('new ReactorPool', noCallback, 'call start(), which returns a promise');
    this.#settings = parseOptions('ReactorPool', poolSchema, options);
    const { threads, restart, loop } = this.#settings;
    this.#loop = loop ?? defaultLoop();
    const connections = new Int32Array(
      new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT),
    );
    connections.fill(VACANT);
    this.#shared = { connections, bells: [] };
    this.#seats = Array.from({ length: threads }, (_, index) => new Seat(index, this, restart));
  }

  /** The loop that accepts, with `accept: 'single'`. */
  get loop(): EventLoop {
    return this.#loop;
  }

  /** How many reactors there are. */
  get threads(): number {
    return this.#seats.length;
  }

  /** Where the pool listens, in the order of its option `listen`; a path is text. Empty before `start`. */
  get addresses(): readonly (SocketAddress | string)[] {
    return this.#listeners.map(({ address }) => address);
  }

  /** The port of the first listener that has one, also if 0 was asked for; undefined if there is none. */
  get port(): number | undefined {
    const address = this.addresses.find((candidate) => typeof candidate !== 'string');
    return (address as SocketAddress | undefined)?.port;
  }

  /**
   * Listen, and start all reactors. Resolves when each has run the module's `start`. Rejects, and leaves nothing
   * behind, with what a server throws (EADDRINUSE), with ERR_REACTOR_MODULE for a module that cannot be
   * loaded, has no `start`, or whose `start` throws, and with ERR_POOL_STATE if called twice. If the pool is
   * stopped meanwhile, by a signal for instance, it resolves when that is done.
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw poolState('start', this.#state);
    this.#state = 'starting';
    try {
      this.#open();
      await Promise.all(this.#seats.map((seat) => seat.fill()));
    } catch (error) {
      const wasStopped = this.#stopping !== null;
      await this.#end({ deadlineMs: 0 });
      if (!wasStopped) throw error;
    }
    if (this.#state === 'starting') this.#state = 'running';
  }

  /**
   * Stop all reactors. Clients in the backlogs are accepted and served; servers are shut down, each by its own
   * `shutdown`; what `start` has returned is stopped by its `stop`; connections that are left at the deadline
   * are cut. Resolves when all threads have ended. Called again, it returns the same promise.
   */
  stop(options: StopOptions = {}): Promise<StopResult> {
    const { deadlineMs } = parseOptions('stop', stopSchema, options);
    return this.#end({ deadlineMs });
  }

  /**
   * Replace the reactors, one after the other: the new one is up before the old one stops, and no client is
   * refused. Rejects if one does not start; those before it are replaced, it and the others stay. If the pool
   * is stopped meanwhile, it resolves when that is done.
   */
  async restart(options: StopOptions = {}): Promise<void> {
    const { deadlineMs } = parseOptions('restart', stopSchema, options);
    if (this.#state !== 'running') throw poolState('restart', this.#state);
    try {
      for (const seat of this.#seats) {
        if (this.#state === 'running') await seat.replace(deadlineMs);
      }
    } catch (error) {
      if (this.#stopping === null) throw error;
    }
    await this.#stopping;
  }

  /** Send `value` to reactor `index`, which emits `message`. Returns false if that does not run now. */
  postMessage(index: number, value: In): boolean {
    const worker = this.#seats[index]?.worker;
    if (!worker?.isRunning) return false;
    worker.post({ type: 'message', value });
    return true;
  }

  /** Send `value` to all reactors that run now. Returns how many. */
  broadcast(value: In): number {
    let count = 0;
    for (const index of this.#seats.keys()) if (this.postMessage(index, value)) count += 1;
    return count;
  }

  /** Counters of the reactors since they started. One that does not answer within a second is null. */
  async stats(): Promise<PoolStats> {
    this.#requests += 1;
    const id = this.#requests;
    const reactors = await Promise.all(this.#seats.map((seat) => seat.stats(id, STATS_MS)));
    return summed(reactors, this.#crashes);
  }

  /** @internal For tests, which end threads. */
  workerAt(index: number): ReactorWorker | null {
    return this.#seats[index]?.worker ?? null;
  }

  /** @internal */
  newWorker(seat: number): ReactorWorker {
    const { module, threads, data, waiter, lagResolutionMs, resourceLimits, startTimeoutMs } =
      this.#settings;
    return new ReactorWorker({
      resourceLimits: resourceLimits as ReactorPoolOptions['resourceLimits'],
      startTimeoutMs,
      owner: {
        onMessage: (value) => this.emit('message', value as Out, seat),
        onError: (error) => reportTrouble(this, error),
      },
      data: {
        module,
        seat,
        seats: threads,
        data,
        listeners: this.#listeners.map((listener) => listener.ticket(seat)),
        ...this.#shared,
        inboxFd: (this.#inboxes[seat] as InboxFds).readFd,
        outboxFds: this.#inboxes.map(({ writeFd }) => writeFd),
        waiter,
        lagResolutionMs,
      },
    });
  }

  /** @internal */
  onOnline(seat: number): void {
    // Its predecessor may have ended after this one took the seat.
    Atomics.compareExchange(this.#shared.connections, seat, VACANT, 0);
    this.emit('online', seat);
  }

  /** @internal */
  onEnd(seat: number, isVacant: boolean): void {
    if (isVacant) Atomics.store(this.#shared.connections, seat, VACANT);
    for (const listener of this.#listeners) listener.onReactorEnd(seat, isVacant);
  }

  /** @internal */
  onCrash(seat: number, error: Error): void {
    this.#crashes += 1;
    this.emit('crash', error, seat);
  }

  /** @internal */
  onGiveUp(seat: number, crashes: number, error: Error): void {
    void this.#end({ deadlineMs: 0 });
    reportFailure(this, reactorCrashes(seat, crashes, error));
  }

  #open(): void {
    const { listen, accept: strategy, balance, spreadByCpu } = this.#settings;
    for (let seat = 0; seat < this.threads; seat += 1) {
      this.#bells.push(new Waker());
      this.#inboxes.push(makeInbox());
    }
    (this.#shared as { bells: readonly number[] }).bells = this.#bells.map(({ fd }) => fd);
    const inboxes = this.#inboxes.map(({ writeFd }) => writeFd);
    const shared = { strategy, balance, spreadByCpu, seats: this.#shared, inboxes };
    const onError = (error: Error): void => reportTrouble(this, error);
    for (const [listener, at] of listen.entries()) {
      this.#listeners.push(
        new PoolListener(at, { ...shared, listener, loop: this.#loop, onError }),
      );
    }
  }

  #end(options: { deadlineMs: number }): Promise<StopResult> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async #stop({ deadlineMs }: { deadlineMs: number }): Promise<StopResult> {
    this.#state = 'stopping';
    // First, so that the last reactor's duplicates are the last: their servers take the clients that wait in them.
    for (const listener of this.#listeners) listener.close();
    const results = await Promise.all(this.#seats.map((seat) => seat.close({ deadlineMs })));
    for (const inbox of this.#inboxes) closeInbox(inbox);
    for (const bell of this.#bells) bell.close();
    this.#state = 'stopped';
    this.emit('close');
    return summedStops(results);
  }
}
