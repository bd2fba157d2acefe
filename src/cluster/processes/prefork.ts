/**
 * A server in several processes: the listener is opened once and inherited by all (or, with SO_REUSEPORT,
 * one for each), a process that crashes is replaced, and all are replaced one by one without a refused
 * connection.
 *
 * The connections of a process that is killed end with it: its clients get a reset, or, if nothing that they
 * sent was left unread, the end of the stream. Those in the backlog of an inherited listener stay there.
 *
 * Each process runs the user's module, which exports `start(worker)`; see {@link PreforkWorker}. Each has
 * an epoll set of its own: one that was made before a fork would be shared by all, and each would get
 * events of fds that it does not know (see examples/prefork-shared-epoll.ts). So no set is inherited: they are
 * close-on-exec, as everything that this package opens.
 */
import { EventEmitter } from 'eventemitter3';
import { parseOptions } from '../../base/options';
import { notRunning, tooManyCrashes } from '../errors';
import { RestartPauses } from '../restart-pauses';
import { Child, type ChildExit } from './child';
import { Listeners } from './listeners';
import {
  type PreforkOptions,
  type PreforkSettings,
  type PreforkStats,
  preforkSchema,
  stopSchema,
} from './options';
import { OperatorSignals } from './signals';

/** A process that an event is about. */
export interface PreforkProcess {
  /** Its place in the pool. */
  index: number;
  pid: number;
}

/** Events of {@link Prefork}. */
export interface PreforkEvents {
  /** `start` of the module is done. */
  online: [process: PreforkProcess];
  /** A process is gone. `isExpected`: the pool has asked it to end. */
  exit: [process: PreforkProcess & ChildExit & { isExpected: boolean }];
  /** A worker has called `send`. */
  message: [value: unknown, process: PreforkProcess];
  /**
   * The pool has stopped after too many crashes in a row (ERR_PREFORK_CRASHES), or a reload that a
   * signal has asked for has failed and the former processes go on. Without a listener: uncaught.
   */
  error: [error: Error];
  /** All processes are gone, and the listeners are closed. */
  stop: [];
}

/** `new`; `starting`; `running`; `stopping`: drains; `stopped`. Never started again. */
type PoolState = 'new' | 'starting' | 'running' | 'stopping' | 'stopped';

/** One place of the pool. */
interface Seat {
  readonly index: number;
  readonly pauses: RestartPauses;
  child: Child | null;
  crashes: number;
  pause: NodeJS.Timeout | null;
}

/** See the head of this file. */
export class Prefork extends EventEmitter<PreforkEvents> {
  readonly #settings: PreforkSettings;
  readonly #seats: Seat[];
  /** All that live, also those that are replaced or not online yet. */
  readonly #children = new Set<Child>();
  readonly #signals: OperatorSignals | null;
  #listeners: Listeners | null = null;
  #state: PoolState = 'new';
  #stopping: Promise<void> | null = null;
  #reloading: Promise<void> = Promise.resolve();

  /** Throws a TypeError that names a wrong option. Nothing is opened or started yet. */
  constructor(options: PreforkOptions) {
    super();
    this.#settings = parseOptions('Prefork', preforkSchema, options);
    const { processes, restart, signals } = this.#settings;
    this.#seats = Array.from({ length: processes }, (_, index) => {
      return { index, pauses: new RestartPauses(restart), child: null, crashes: 0, pause: null };
    });
    this.#signals = signals
      ? new OperatorSignals({
          onStop: () => void this.stop(),
          onKill: () => this.kill(),
          onReload: () => void this.reload().catch((error) => this.#onReloadFailed(error)),
        })
      : null;
  }

  /** The ports of `listen`, in its order; -1 for a unix socket. Empty before `start`. */
  get ports(): readonly number[] {
    return this.#listeners?.ports ?? [];
  }

  /** The first of {@link ports}; -1 if there is none. */
  get port(): number {
    return this.ports[0] ?? -1;
  }

  /** The processes that live. */
  get processes(): PreforkProcess[] {
    return [...this.#children].map(({ index, pid }) => ({ index, pid }));
  }

  /**
   * Open the listeners and start all processes. Resolves when the module's `start` is done in each, or
   * when the pool has stopped because it was asked to meanwhile.
   *
   * Rejects, with nothing left behind and nothing tried again: with what {@link TcpServer} throws for an
   * address that cannot be had; with ERR_PREFORK_MODULE for a module that cannot be loaded, has no
   * `start`, or whose `start` throws; with ERR_PREFORK_START for a process that ends before.
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw notRunning('a second start');
    this.#state = 'starting';
    try {
      this.#listeners = new Listeners(this.#settings);
      this.#signals?.listen();
      await Promise.all(this.#seats.map((seat) => this.#spawn(seat).online));
      if (this.#state === 'starting') this.#state = 'running';
    } catch (error) {
      const isAsked = this.#stopping !== null;
      if (!isAsked) this.kill();
      await this.#stopping;
      if (!isAsked) throw error;
    }
  }

  /** To all processes, or to that of one place. Returns how many it was sent to. */
  send(value: unknown, index?: number): number {
    const seats = this.#seats.filter((seat) => index === undefined || seat.index === index);
    return seats.filter(({ child }) => child?.state === 'online' && child.send(value)).length;
  }

  /** The figures of the pool and of each process; a process that is blocked has null after a second. */
  async stats(): Promise<PreforkStats> {
    const processes = await Promise.all(
      this.#seats.map(async ({ index, child, crashes }) => {
        const state = child === null || child.state === 'gone' ? 'none' : child.state;
        const worker = (await child?.stats()) ?? null;
        return { index, pid: state === 'none' ? -1 : (child?.pid ?? -1), state, crashes, worker };
      }),
    );
    const sum = (values: number[]): number => values.reduce((all, value) => all + value, 0);
    return {
      connections: sum(processes.map(({ worker }) => worker?.connections ?? 0)),
      crashes: sum(processes.map(({ crashes }) => crashes)),
      processes: processes as PreforkStats['processes'],
    };
  }

  /**
   * Replace all processes, one by one: the next one is online before the former is asked to drain, so no
   * connection is refused. Resolves when all former ones are gone; a reload during a reload comes after.
   * Rejects if one cannot start, as {@link start}: its predecessor goes on, and so do those after it.
   */
  async reload(options: { deadlineMs?: number } = {}): Promise<void> {
    const { deadlineMs = this.#settings.deadlineMs } = parseOptions('reload', stopSchema, options);
    if (this.#state !== 'running') throw notRunning('reload');
    const reloading = this.#reloading.then(() => this.#reload(deadlineMs));
    this.#reloading = reloading.catch(() => {});
    return reloading;
  }

  /**
   * Have all processes finish what they have begun, and kill those that are left after the deadline.
   * Clients in the backlog are accepted first. Resolves when all are gone. Called again, the first
   * deadline holds.
   */
  async stop(options: { deadlineMs?: number } = {}): Promise<void> {
    const { deadlineMs = this.#settings.deadlineMs } = parseOptions('stop', stopSchema, options);
    this.#stopping ??= this.#stop((child) => child.stop(deadlineMs, true));
    return this.#stopping;
  }

  /** End all processes at once, by SIGKILL. `stop` resolves when they are gone. */
  kill(): void {
    for (const child of this.#children) child.kill();
    this.#stopping ??= this.#stop(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #spawn(seat: Seat): Child {
    const { module, processes, env, startTimeoutMs, deadlineMs } = this.#settings;
    const { index } = seat;
    const { endpoints, inherited } = this.#listeners as Listeners;
    const child: Child = new Child({
      setup: { module, index, processes, endpoints, deadlineMs },
      inherited,
      env,
      startTimeoutMs,
      onMessage: (value) => this.emit('message', value, { index, pid: child.pid }),
    });
    seat.child ??= child;
    this.#children.add(child);
    child.online.then(
      () => this.emit('online', { index, pid: child.pid }),
      () => {},
    );
    void child.exit.then((how) => this.#onExit(seat, child, how));
    return child;
  }

  #onExit(seat: Seat, child: Child, how: ChildExit): void {
    this.#children.delete(child);
    const isExpected = child.isAsked;
    const isCurrent = seat.child === child;
    if (isCurrent) seat.child = null;
    this.emit('exit', { index: seat.index, pid: child.pid, ...how, isExpected });
    if (isExpected || this.#state === 'starting') return;
    seat.crashes += 1;
    if (isCurrent && this.#state === 'running') this.#restart(seat, child);
  }

  #restart(seat: Seat, { livedMs, failure }: Child): void {
    const pauseMs = seat.pauses.next(livedMs);
    if (pauseMs === null) {
      const { module } = this.#settings;
      void this.stop();
      return this.#report(tooManyCrashes(module, seat.pauses.crashes, failure ?? undefined));
    }
    seat.pause = setTimeout(() => {
      seat.pause = null;
      if (this.#state === 'running' && seat.child === null) this.#spawn(seat);
    }, pauseMs);
  }

  async #reload(deadlineMs: number): Promise<void> {
    for (const seat of this.#seats) {
      if (this.#state !== 'running') throw notRunning('reload');
      if (seat.pause !== null) clearTimeout(seat.pause);
      seat.pause = null;
      const next = this.#spawn(seat);
      await next.online.catch((error) => {
        throw this.#state === 'running' ? error : notRunning('reload');
      });
      // The former one, or one that has replaced it meanwhile.
      const former = seat.child;
      seat.child = next;
      if (former !== null && former !== next) await former.stop(deadlineMs, false);
    }
  }

  async #stop(end: (child: Child) => unknown): Promise<void> {
    this.#state = 'stopping';
    for (const { pause } of this.#seats) if (pause !== null) clearTimeout(pause);
    // Before the processes take what waits in the backlog: the last one that closes it refuses the rest.
    this.#listeners?.close();
    const children = [...this.#children];
    for (const child of children) end(child);
    await Promise.all(children.map((child) => child.exit));
    this.#state = 'stopped';
    this.#signals?.close();
    this.emit('stop');
  }

  /** A pool that is stopped during a reload is none that has failed. */
  #onReloadFailed(error: unknown): void {
    if (this.#state === 'running') this.#report(error);
  }

  #report(error: unknown): void {
    if (this.emit('error', error as Error)) return;
    process.nextTick(() => {
      throw error;
    });
  }
}
