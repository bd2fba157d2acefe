/**
 * The event loop: one epoll set, led by the JavaScript thread that owns it.
 *
 * While there is work, the loop's own thread leads: it takes batches of events with a zero timeout,
 * calls the handlers, and after a budget returns to Node with `setImmediate`, so that timers,
 * promises and other I/O keep running. When there is no work it looks for more during a short spin,
 * and then hands the waiting to a waiter (see waiter-pool.ts). No event ever crosses a thread.
 *
 * Only the thread that made the loop may call its methods, except {@link Waker.wake} of its waker.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { checkFd, checkMask } from '../base/check';
import { outsideCallers } from '../base/context';
import { loopClosed } from '../base/errors';
import { uncaught } from '../base/unheard';
import { EventList } from '../epoll/event-list';
import { Waker } from '../epoll/waker';
import { EPOLLEXCLUSIVE, EPOLLIN } from '../sys/constants';
import {
  type EventLoopOptions,
  type EventLoopSettings,
  type EventLoopStats,
  eventLoopOptions,
} from './event-loop-options';
import { hasImmediates, leadSoon } from './immediates';
import { LoopWaiter } from './loop-waiter';
import { ReadyList } from './ready-list';
import { checkHandler, type EventHandler, Registration } from './registration';
import { SlowBatches } from './slow-batches';
import { SpinBudget } from './spin-budget';
import { TimerWheel } from './timer-wheel';
import { type Revocation, WatchSet } from './watch-set';

/**
 * `idle`: nothing is registered and nothing is scheduled.
 * `leading`: a turn is running or scheduled.
 * `waiting`: the waiter is armed.
 * `closed`: for good.
 */
type Phase = 'idle' | 'leading' | 'waiting' | 'closed';

/** The sleep of an unref'd loop between turns: an unref'd immediate would never run. */
const UNHELD_POLL_MS = 1;

/** An epoll set with handlers. */
export class EventLoop {
  /** The deadlines of this loop's handlers. */
  readonly timers: TimerWheel = new TimerWheel((error) => this.uncaught(error));
  /** Microseconds per turn that had events, if `measureTurns` was set. */
  readonly turnTimes: RecordableHistogram | null;

  readonly #settings: EventLoopSettings;
  readonly #list: EventList;
  readonly #set: WatchSet;
  readonly #spin: SpinBudget;
  readonly #slow = new SlowBatches();
  readonly #counters = {
    turns: 0,
    batches: 0,
    events: 0,
    wakeUps: 0,
    handovers: 0,
    spins: 0,
    staleEvents: 0,
    rebuilds: 0,
  };
  readonly #lead = (): void => this.#turn();
  readonly #waiter: LoopWaiter;
  #waker: Waker | null = null;
  #phase: Phase = 'idle';
  #mayHold = true;
  /** Null outside a turn. */
  #now: number | null = null;
  readonly #ready: ReadyList;

  constructor(options: EventLoopOptions = {}) {
    this.#settings = eventLoopOptions.parse(options);
    this.#set = new WatchSet();
    this.#waiter = new LoopWaiter({
      epollFd: () => this.#set.fd,
      onWake: () => this.#onWake(),
      kind: this.#settings.waiter,
    });
    this.#ready = new ReadyList(this.#set.slots, (handler, events) =>
      this.#deliver(handler, events),
    );
    this.#list = new EventList(this.#settings.maxEvents);
    this.#spin = new SpinBudget(this.#settings.spinUs);
    this.turnTimes = this.#settings.measureTurns ? createHistogram() : null;
  }

  /** The epoll fd, or -1 once closed. */
  get fd(): number {
    return this.#set.fd;
  }

  get closed(): boolean {
    return this.#phase === 'closed';
  }

  /** Whether this thread itself blocks while there is nothing to do: `waiter: 'inline'`. */
  get isInline(): boolean {
    return this.#settings.waiter === 'inline';
  }

  /** Start of this batch, in whole ms of `performance.now()`; outside a turn, the present time. */
  get now(): number {
    return this.#now ?? Math.floor(performance.now());
  }

  /**
   * Upper bound of when an event stamped `stamp` (a former {@link now}) was handled. Stamps are
   * batch start times, and a batch may take long. Use it before you cut a peer for its silence.
   */
  handledBy(stamp: number): number {
    return stamp === this.#now ? performance.now() : this.#slow.endOf(stamp);
  }

  /** Wakes this loop from any thread: `Waker.fromFd(loop.waker.fd).wake()`. Made at first use. */
  get waker(): Waker {
    if (this.#waker === null) {
      this.#assertOpen();
      const waker = new Waker();
      this.add(waker.fd, EPOLLIN, { onEvents: () => waker.drain(), onRevoked: () => {} }).unref();
      this.#waker = waker;
    }
    return this.#waker;
  }

  /**
   * Watch `fd` for `events`, a mask of EPOLLIN and so on; the loop calls `handler`. The fd should
   * be non-blocking, and stays the caller's: remove the registration before closing it.
   *
   * With EPOLLEXCLUSIVE the kernel wakes one of the loops that share the file, each by an fd of its own;
   * such a mask cannot be modified. See direct-fds.ts.
   *
   * Throws a TypeError or RangeError for a wrong argument, and the errors of {@link Epoll.add};
   * then nothing has changed, and `handler` is never called.
   */
  add(fd: number, events: number, handler: EventHandler): Registration {
    this.#assertOpen();
    checkFd(fd);
    const mask = checkMask('events', events);
    checkHandler(handler);
    // Before the first fd is taken, not when waiting begins: by then there may be no fds left.
    if ((mask & EPOLLEXCLUSIVE) === 0 || this.isInline) this.#waiter.join();
    else this.#set.direct ??= this.#waiter.joinNodesSet();
    const { data, former } = this.#set.add({ fd, events: mask, handler });
    this.#applyHeld();
    if (this.#phase === 'idle') this.#schedule();
    if (former !== null) this.#revoke(former);
    return new Registration(this, fd, data);
  }

  /** For {@link Registration}. @internal */
  isActive(registration: Registration): boolean {
    return this.#set.slots.has(registration);
  }

  /** For {@link Registration}. @internal */
  eventsOf(registration: Registration): number {
    return this.isActive(registration) ? this.#set.slots.events(registration) : 0;
  }

  /** For {@link Registration}. @internal */
  modify(registration: Registration, events: number): void {
    const mask = checkMask('events', events);
    if (this.isActive(registration)) this.#set.modify(registration.fd, registration, mask);
  }

  /** For {@link Registration}. @internal */
  remove(registration: Registration): void {
    if (this.#set.remove(registration.fd, registration)) this.#applyHeld();
  }

  /** For {@link Registration}. @internal */
  requeue(registration: Registration, events: number): void {
    const mask = checkMask('events', events);
    if (mask === 0 || !this.isActive(registration)) return;
    this.#ready.add(registration, mask);
    if (this.#phase !== 'leading') this.#schedule();
  }

  /** For {@link Registration}. @internal */
  nextTurn(registration: Registration): void {
    if (!this.isActive(registration)) return;
    this.#ready.addLater(registration);
    if (this.#phase !== 'leading') this.#schedule();
  }

  /** For {@link Registration}. @internal */
  setHeld(registration: Registration, held: boolean): void {
    if (!this.isActive(registration)) return;
    this.#set.slots.setHeld(registration, held);
    this.#applyHeld();
  }

  /** Let the registrations of this loop hold the process open; the default. */
  ref(): void {
    this.#mayHold = true;
    this.#applyHeld();
  }

  /** Never hold the process open, whatever is registered. */
  unref(): void {
    this.#mayHold = false;
    this.#applyHeld();
  }

  /**
   * Raise `error` as an uncaught exception after the running turn, so that one handler's mistake
   * does not cost the others their events.
   */
  uncaught(error: unknown): void {
    uncaught(error);
  }

  /** The counters of this loop. A new object each time. */
  stats(): EventLoopStats {
    const { controls, slots } = this.#set;
    return { ...this.#counters, controls, watched: slots.size, timers: this.timers.size };
  }

  /**
   * Stop for good. Every registration is revoked: the loop calls its handler's `onRevoked`. The fds
   * stay open. A handler may call this; the rest of the batch is dropped.
   */
  close(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    const reason = loopClosed('was');
    this.#waiter.close();
    for (const handler of this.#set.close()) this.#revoke([handler, reason]);
    this.timers.close();
    this.#waker?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #isHeld(): boolean {
    return this.#mayHold && this.#set.slots.held > 0;
  }

  #applyHeld(): void {
    this.#waiter.setHeld(this.#isHeld);
  }

  /** Schedule a turn. */
  #schedule(): void {
    this.#phase = 'leading';
    outsideCallers(() => this.#next());
  }

  #next(): void {
    if (this.#isHeld) this.isInline ? leadSoon(this.#lead) : setImmediate(this.#lead);
    else setTimeout(this.#lead, UNHELD_POLL_MS).unref();
  }

  #onWake(): void {
    if (this.#phase !== 'waiting') return;
    this.#counters.wakeUps += 1;
    this.#spin.woken(performance.now());
    this.#phase = 'leading';
    this.#turn();
  }

  #turn(): void {
    if (this.#phase !== 'leading') return;
    const { batchesPerTurn, turnBudgetMs } = this.#settings;
    const start = performance.now();
    let now = start;
    this.#now = Math.floor(now);
    this.#counters.turns += 1;
    this.#set.beginTurn();
    let batches = 0;
    // Before the ends are delivered: work that their handlers begin in a tick must not wait for an
    // event.
    let timeoutMs = this.#inlineWaitMs();
    if (this.#ready.hasLater) this.#ready.serveLater();
    while (this.#phase === 'leading' && this.#runBatch(timeoutMs)) {
      batches += 1;
      timeoutMs = 0;
      now = performance.now();
      this.#slow.note(this.#now, now);
      this.#now = Math.floor(now);
      if (batches >= batchesPerTurn || now - start >= turnBudgetMs) break;
      if (this.#ready.hasLater) break;
    }
    if (batches > 0) this.turnTimes?.record(Math.max(1, Math.round((now - start) * 1_000)));
    this.#afterTurn(batches > 0, now);
  }

  /**
   * Handle one batch of events, then one round of the ready list. Returns whether there was any.
   */
  #runBatch(timeoutMs: number): boolean {
    const count = this.#set.wait(this.#list, timeoutMs);
    if (timeoutMs !== 0) this.#now = Math.floor(performance.now());
    if (count > 0) this.#dispatch(count);
    const unfinished = this.#ready.length;
    if (unfinished > 0) this.#ready.serve();
    return count + unfinished > 0 && this.#phase === 'leading';
  }

  #dispatch(count: number): void {
    this.#counters.batches += 1;
    this.#counters.events += count;
    const list = this.#list;
    let stale = 0;
    for (let index = 0; index < count; index += 1) {
      const handler = this.#set.slots.dispatch(list.low(index), list.high(index));
      if (handler === undefined) stale += 1;
      else this.#deliver(handler, list.events(index));
    }
    if (stale > 0) this.#onStale(stale);
  }

  #deliver(handler: EventHandler, events: number): void {
    try {
      handler.onEvents(events);
    } catch (error) {
      this.uncaught(error);
    }
  }

  #afterTurn(busy: boolean, now: number): void {
    this.#now = null;
    if (this.#phase !== 'leading') return;
    if (this.#set.slots.size === 0) {
      this.#phase = 'idle';
    } else if (this.#settings.waiter === 'inline') {
      this.#next();
    } else if (this.#ready.hasAny || (busy && this.#isHeld)) {
      this.#spin.found(now);
      this.#next();
    } else if (this.#isHeld && this.#spin.allows(performance.now())) {
      this.#counters.spins += 1;
      this.#next();
    } else {
      this.#handOver(now);
    }
  }

  #handOver(now: number): void {
    this.#counters.handovers += 1;
    this.#phase = 'waiting';
    this.#spin.handedOver(now);
    this.#waiter.arm();
  }

  #inlineWaitMs(): number {
    if (!this.isInline || this.#ready.hasAny || !this.#isHeld || hasImmediates()) return 0;
    return Math.ceil(Math.min(this.#settings.maxInlineWaitMs, this.timers.msToNext()));
  }

  /** See {@link WatchSet.hasOrphanedEntry}. */
  #onStale(stale: number): void {
    this.#counters.staleEvents += stale;
    if (this.#phase === 'closed' || !this.#set.hasOrphanedEntry(stale)) return;
    const refused = this.#set.rebuild((epollFd) => this.#waiter.replace(epollFd));
    if (refused === null) return;
    this.#counters.rebuilds += 1;
    for (const revocation of refused) this.#revoke(revocation);
  }

  #revoke([handler, reason]: Revocation): void {
    try {
      handler.onRevoked(reason);
    } catch (error) {
      this.uncaught(error);
    }
  }

  #assertOpen(): void {
    if (this.#phase === 'closed') throw loopClosed('is');
  }
}
