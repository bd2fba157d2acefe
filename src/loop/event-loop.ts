/**
 * The event loop: one epoll set, led by the JavaScript thread that owns it.
 *
 * While there is work the loop's own thread leads: it takes batches of events with a zero timeout,
 * calls the handlers, and after a budget goes back to Node with `setImmediate`, so that timers,
 * promises and other I/O keep running. When there is no work it looks for more during a short spin,
 * and then hands the waiting to a waiter (see waiter-pool.ts). No event ever crosses a thread.
 *
 * All methods belong to the thread that made the loop, except {@link Waker.wake} of its waker.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { z } from 'zod';
import { Epoll } from '../epoll/epoll';
import { EventList } from '../epoll/event-list';
import { formatEvents } from '../epoll/interest';
import { Waker } from '../epoll/waker';
import { MAX_EVENTS } from '../sys/abi';
import * as constants from '../sys/constants';
import { epollCtl } from '../sys/epoll';
import { errno, SystemError } from '../sys/errno';
import { outsideCallers } from './context';
import { parseOptions } from './options';
import { type EventHandler, Registration, type RegistrationOwner } from './registration';
import { type Slot, SlotTable } from './slot-table';
import { SpinBudget } from './spin-budget';
import { TimerWheel } from './timer-wheel';
import type { Waiter } from './waiter';
import { joinWaiterThread } from './waiter-pool';

const { EBADF, ENOENT } = errno;

const { EPOLLIN, EPOLLONESHOT, EPOLL_CTL_DEL } = constants;

/** Options of the constructor. */
export interface EventLoopOptions {
  /**
   * Who blocks in epoll_wait(2) while there is nothing to do. `'thread'`, the default: a waiter
   * thread, and Node's loop stays free. `'inline'`: this thread, for scripts and workers that do
   * nothing else; Node's own timers and I/O then wait for up to `maxInlineWaitMs`.
   */
  waiter?: 'thread' | 'inline';
  /** The most events taken by one epoll_wait(2); 256 if not given. */
  maxEvents?: number;
  /** Batches of events before Node's loop gets its turn; 8 if not given. */
  batchesPerTurn?: number;
  /** Milliseconds after which a turn takes no further batch; 10 if not given. */
  turnBudgetMs?: number;
  /**
   * Microseconds to go on looking for events, turn by turn of Node's loop, before the waiting is
   * handed over; 100 if not given, 0 for never. It saves the hand-over when the next event is near,
   * for CPU time when it is not; the loop spins less when spinning does not pay.
   */
  spinUs?: number;
  /** The longest wait of an inline loop; 500 if not given. */
  maxInlineWaitMs?: number;
  /** Keep a histogram of how long turns take, see {@link EventLoop.turnTimes}. */
  measureTurns?: boolean;
}

const optionsSchema = z.strictObject({
  waiter: z.enum(['thread', 'inline']).default('thread'),
  maxEvents: z.int().min(1).max(MAX_EVENTS).default(256),
  batchesPerTurn: z.int().min(1).max(1_000).default(8),
  turnBudgetMs: z.number().min(0).max(1_000).default(10),
  spinUs: z.number().min(0).max(1_000_000).default(100),
  maxInlineWaitMs: z.int().min(0).max(60_000).default(500),
  measureTurns: z.boolean().default(false),
});

/** What a loop has done so far; see {@link EventLoop.stats}. */
export interface EventLoopStats {
  /** Times the loop led: once per entry from Node. */
  turns: number;
  /** Calls of epoll_wait(2) that brought events. */
  batches: number;
  /** Events brought. */
  events: number;
  /** Times the waiter woke the loop. */
  wakeUps: number;
  /** Times the waiting was handed to the waiter. */
  handovers: number;
  /** Turns that only looked for events and found none. */
  spins: number;
  /** Events dropped because their registration was gone. */
  staleEvents: number;
  /** Times the epoll set was made anew; see `#rebuild`. */
  rebuilds: number;
  /** Fds registered now. */
  watched: number;
  /** Deadlines scheduled now. */
  timers: number;
}

/**
 * `idle`: nothing is registered and nothing is scheduled.
 * `leading`: a turn is running or scheduled.
 * `waiting`: the waiter is armed.
 * `closed`: for good.
 */
type Phase = 'idle' | 'leading' | 'waiting' | 'closed';

/** How long an unref'd loop sleeps between turns: an unref'd immediate would never run. */
const UNHELD_POLL_MS = 1;

/** An epoll set with handlers. */
export class EventLoop implements RegistrationOwner {
  /** The deadlines of this loop's handlers. */
  readonly timers: TimerWheel = new TimerWheel((error) => this.uncaught(error));
  /** Microseconds per turn that had events, if `measureTurns` was set. */
  readonly turnTimes: RecordableHistogram | null;

  readonly #settings: z.output<typeof optionsSchema>;
  readonly #list: EventList;
  readonly #slots = new SlotTable();
  readonly #spin: SpinBudget;
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
  #epoll: Epoll;
  #waiter: Waiter | null = null;
  #waker: Waker | null = null;
  #phase: Phase = 'idle';
  #mayHold = true;
  #now = Math.floor(performance.now());
  /** Registrations removed since the last epoll_wait(2). */
  #removals = 0;
  /** Ready but not finished; swapped with `#serving` when served. */
  #ready: Registration[] = [];
  #serving: Registration[] = [];

  constructor(options: EventLoopOptions = {}) {
    this.#settings = parseOptions('EventLoop', optionsSchema, options);
    this.#epoll = new Epoll({ maxEvents: 1 });
    this.#list = new EventList(this.#settings.maxEvents);
    this.#spin = new SpinBudget(this.#settings.spinUs);
    this.turnTimes = this.#settings.measureTurns ? createHistogram() : null;
  }

  /** The epoll fd, or -1 once closed. */
  get fd(): number {
    return this.#epoll.fd;
  }

  get closed(): boolean {
    return this.#phase === 'closed';
  }

  /**
   * The time of this turn, in whole milliseconds of `performance.now()`. Costs nothing to read;
   * outside a turn it may be old.
   */
  get now(): number {
    return this.#now;
  }

  /**
   * Wakes this loop from any thread: `Waker.fromFd(loop.waker.fd).wake()`. Made at the first use.
   */
  get waker(): Waker {
    if (this.#waker === null) {
      const waker = new Waker();
      this.add(waker.fd, EPOLLIN, { onEvents: () => waker.drain(), onRevoked: () => {} }).unref();
      this.#waker = waker;
    }
    return this.#waker;
  }

  /**
   * Watch `fd` for `events`, a mask of EPOLLIN and so on; `handler` is told of them. The fd should
   * be non-blocking, and stays the caller's: remove the registration before closing it.
   *
   * Throws what {@link Epoll.add} throws; then nothing has changed.
   */
  add(fd: number, events: number, handler: EventHandler): Registration {
    this.#assertOpen();
    if (this.#settings.waiter === 'thread') this.#joinWaiter();
    const data = this.#slots.take({ fd, events, handler });
    try {
      this.#epoll.add(fd, events, data);
    } catch (error) {
      this.#slots.release(data);
      throw error;
    }
    const former = this.#slots.confirm(data);
    this.#applyHeld();
    if (this.#phase === 'idle') this.#schedule();
    if (former !== null) {
      this.#removals += 1;
      this.#revoke(former.handler, closedBehindBack(former));
    }
    return new Registration(this, fd, data);
  }

  /** For {@link Registration}. */
  isActive(registration: Registration): boolean {
    return this.#slots.has(registration);
  }

  /** For {@link Registration}. */
  eventsOf(registration: Registration): number {
    return this.#slots.has(registration) ? this.#slots.events(registration) : 0;
  }

  /** For {@link Registration}. */
  modify(registration: Registration, events: number): void {
    if (!this.#slots.has(registration)) return;
    this.#epoll.modify(registration.fd, events, registration);
    this.#slots.setEvents(registration, events);
  }

  /** For {@link Registration}. */
  remove(registration: Registration): void {
    if (!this.#slots.release(registration)) return;
    this.#removals += 1;
    // ENOENT or EBADF: the fd was closed before. If a duplicate of it lives on, its events will
    // show up without an owner; see #onStale.
    const outcome = epollCtl(this.#epoll.fd, EPOLL_CTL_DEL, registration.fd, null);
    if (outcome < 0 && outcome !== -ENOENT && outcome !== -EBADF) {
      throw new SystemError('epoll_ctl', outcome, { fd: registration.fd });
    }
    this.#applyHeld();
  }

  /** For {@link Registration}. */
  requeue(registration: Registration, events: number): void {
    if (events === 0 || !this.#slots.has(registration)) return;
    if (this.#slots.addPending(registration, events)) this.#ready.push(registration);
    if (this.#phase !== 'leading') this.#schedule();
  }

  /** For {@link Registration}. */
  setHeld(registration: Registration, held: boolean): void {
    if (!this.#slots.has(registration)) return;
    this.#slots.setHeld(registration, held);
    this.#applyHeld();
  }

  /** Let the registrations of this loop hold the process; the default. */
  ref(): void {
    this.#mayHold = true;
    this.#applyHeld();
  }

  /** Never hold the process, whatever is registered. */
  unref(): void {
    this.#mayHold = false;
    this.#applyHeld();
  }

  /**
   * Raise `error` as an uncaught exception once the running turn is over, so that one handler's
   * mistake does not cost the others their events.
   */
  uncaught(error: unknown): void {
    process.nextTick(raise, error);
  }

  /** What the loop has done so far. A new object each time. */
  stats(): EventLoopStats {
    return { ...this.#counters, watched: this.#slots.size, timers: this.timers.size };
  }

  /**
   * Stop for good. Every registration is revoked: its handler's `onRevoked` is called. The fds stay
   * open. May be called by a handler; the rest of the batch is dropped.
   */
  close(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    const reason = Object.assign(new Error('the event loop was closed'), {
      code: 'ERR_LOOP_CLOSED',
    });
    for (const { data, slot } of [...this.#slots.entries()]) {
      this.#slots.release(data);
      this.#revoke(slot.handler, reason);
    }
    this.timers.close();
    this.#waiter?.close();
    this.#waker?.close();
    this.#epoll.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #isHeld(): boolean {
    return this.#mayHold && this.#slots.held > 0;
  }

  #applyHeld(): void {
    this.#waiter?.setHeld(this.#isHeld);
  }

  /** Have a turn run soon. */
  #schedule(): void {
    this.#phase = 'leading';
    outsideCallers(() => this.#next());
  }

  #next(): void {
    if (this.#isHeld) setImmediate(this.#lead);
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
    let batches = 0;
    let timeoutMs = this.#inlineWaitMs();
    while (this.#runBatch(timeoutMs)) {
      batches += 1;
      timeoutMs = 0;
      now = performance.now();
      this.#now = Math.floor(now);
      if (batches >= batchesPerTurn || now - start >= turnBudgetMs) break;
    }
    if (batches > 0) this.turnTimes?.record(Math.max(1, Math.round((now - start) * 1_000)));
    this.#afterTurn(batches > 0, now);
  }

  /** Take what is ready, then serve the ready list once round. Returns whether there was any. */
  #runBatch(timeoutMs: number): boolean {
    this.#removals = 0;
    const count = this.#epoll.waitInto(this.#list, timeoutMs);
    if (timeoutMs !== 0) this.#now = Math.floor(performance.now());
    if (count > 0) this.#dispatch(count);
    const unfinished = this.#ready.length;
    if (unfinished > 0) this.#serveReady();
    return count + unfinished > 0 && this.#phase === 'leading';
  }

  #dispatch(count: number): void {
    this.#counters.batches += 1;
    this.#counters.events += count;
    const list = this.#list;
    let stale = 0;
    for (let index = 0; index < count; index += 1) {
      const handler = this.#slots.dispatch(list.low(index), list.high(index));
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

  #serveReady(): void {
    const serving = this.#ready;
    this.#ready = this.#serving;
    this.#serving = serving;
    for (const registration of serving) {
      const handler = this.#slots.dispatch(registration.low, registration.high);
      if (handler !== undefined) this.#deliver(handler, this.#slots.takePending(registration));
    }
    serving.length = 0;
  }

  #afterTurn(busy: boolean, now: number): void {
    if (this.#phase !== 'leading') return;
    if (this.#slots.size === 0) {
      this.#phase = 'idle';
    } else if (this.#settings.waiter === 'inline') {
      this.#next();
    } else if (this.#ready.length > 0 || (busy && this.#isHeld)) {
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
    this.#waiter?.arm();
  }

  /** Before the first fd is taken, not when waiting begins: by then there may be no fds left. */
  #joinWaiter(): void {
    this.#waiter ??= joinWaiterThread(this.#epoll.fd, () => this.#onWake());
  }

  #inlineWaitMs(): number {
    if (this.#settings.waiter !== 'inline' || this.#ready.length > 0 || !this.#isHeld) return 0;
    return Math.ceil(Math.min(this.#settings.maxInlineWaitMs, this.timers.msToNext()));
  }

  /**
   * An event without an owner is normal when its registration was removed earlier in this batch.
   * There can be no more of those than removals since the wait; one more, and the kernel holds an
   * entry that we cannot name: the fd was closed before it was removed, while a duplicate (dup(2),
   * a fork, a message) keeps the open file alive. See "Will closing a file descriptor cause it to
   * be removed from all epoll interest lists?" in epoll(7).
   */
  #onStale(stale: number): void {
    this.#counters.staleEvents += stale;
    if (stale > this.#removals && this.#phase !== 'closed') this.#rebuild();
  }

  /** The one way to be rid of such an entry: a new epoll set with all the others. */
  #rebuild(): void {
    const former = this.#epoll;
    try {
      this.#epoll = new Epoll({ maxEvents: 1 });
    } catch {
      // No fds left. The entry will be reported again, and there may be some then.
      return;
    }
    for (const { data, slot, spent } of [...this.#slots.entries()]) {
      try {
        // A one-shot that has fired stays disarmed: its flag without the events.
        this.#epoll.add(slot.fd, spent ? EPOLLONESHOT : slot.events, data);
      } catch (error) {
        this.#slots.release(data);
        this.#revoke(slot.handler, error as Error);
      }
    }
    this.#waiter?.replace(this.#epoll.fd);
    former.close();
    this.#counters.rebuilds += 1;
  }

  #revoke(handler: EventHandler, reason: Error): void {
    try {
      handler.onRevoked(reason);
    } catch (error) {
      this.uncaught(error);
    }
  }

  #assertOpen(): void {
    if (this.#phase === 'closed') {
      throw Object.assign(new Error('the event loop is closed'), { code: 'ERR_LOOP_CLOSED' });
    }
  }
}

/** The reason given when an fd turns out to be closed: its number was registered a second time. */
function closedBehindBack({ fd, events }: Slot): SystemError {
  const reason = `fd ${fd} was closed while it was watched for ${formatEvents(events)}`;
  return new SystemError('epoll_ctl', EBADF, { reason, fd });
}

function raise(error: unknown): never {
  throw error;
}
