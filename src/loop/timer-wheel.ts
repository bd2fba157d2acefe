/**
 * A timer wheel: deadlines for many connections, with one Node timer for all and no object for
 * each. The owner of a deadline is a {@link TimerEntry}, which lends the wheel one field; see
 * timer-lists.ts.
 *
 * The wheel has four levels of 256 slots. A slot of the first level is one tick; a slot of the next
 * level is as long as all slots of the level before. A timer waits in the level of its distance,
 * and moves down as its time comes near. So each is touched at most four times in 24 days, and the
 * Node timer fires when there is something to do, not at each tick. Scheduling and cancelling are a
 * few assignments. Ticks are coarse: a timer fires up to one tick late, never early, and all in the
 * order of their ticks, however late this thread is. The Node timer is unref'd: a deadline alone
 * does not hold the process open.
 *
 * Users that extend a deadline at each message should not reschedule each time: note the time of
 * the last activity, let the timer fire, and schedule it again for the rest.
 */
import { invalidType, outOfRange } from '../base/check';
import { outsideCallers } from '../base/context';
import { type TimerEntry, TimerLists, UNSCHEDULED } from './timer-lists';

/** Milliseconds of one tick: the accuracy of a deadline. */
const TICK_MS = 10;
/** Slots of one level. One turn of the first level is 2.56 s. */
const SLOTS = 256;
/** Ticks of one slot of each level: 10 ms, 2.56 s, 11 minutes, 46 hours. */
const SPANS = [1, SLOTS, SLOTS ** 2, SLOTS ** 3];
/** Longest delay, about 24 days, as of Node's timers. */
export const MAX_DELAY_MS = 0x7fff_ffff;
/** The list of the timers that are being fired, behind the lists of the slots. */
const DUE = SPANS.length * SLOTS;

/** Called when a {@link WheelTimer} is due. */
export interface TimerOwner {
  onTimer(timer: WheelTimer): void;
}

/**
 * A deadline as an object, for an owner that has several, or that does not want the field of a
 * {@link TimerEntry}. Made once and scheduled as often as needed.
 */
export class WheelTimer implements TimerEntry {
  timerIndex: number = UNSCHEDULED;
  readonly owner: TimerOwner;

  constructor(owner: TimerOwner) {
    this.owner = owner;
  }

  get scheduled(): boolean {
    return this.timerIndex !== UNSCHEDULED;
  }

  /** For the wheel. */
  onTimer(): void {
    this.owner.onTimer(this);
  }
}

/** The deadlines of one loop. */
export class TimerWheel {
  readonly #lists = new TimerLists(DUE + 1);
  readonly #onError: (error: unknown) => void;
  readonly #onAlarm = (): void => this.#advance();
  /** All timers due up to this tick have been collected. */
  #tick = currentTick();
  #alarm: NodeJS.Timeout | null = null;
  #alarmTick = Infinity;

  /** `onError` receives the exceptions of `onTimer`. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** The number of scheduled timers. */
  get size(): number {
    return this.#lists.size;
  }

  /** The number of timers that the wheel has memory for: it follows `size` up and down. */
  get capacity(): number {
    return this.#lists.capacity;
  }

  /**
   * Call `timer.onTimer` in `delayMs`; this replaces an earlier schedule. A delay below 0 counts as
   * 0, and one above 2\*\*31 - 1 as that. Throws a TypeError or RangeError if `delayMs` is not a
   * number.
   */
  schedule(timer: TimerEntry, delayMs: number): void {
    this.#schedule(timer, dueTickIn(delayMs));
  }

  /** As {@link schedule}, unless `timer` is already scheduled for the same time or earlier. */
  scheduleSooner(timer: TimerEntry, delayMs: number): void {
    const dueTick = dueTickIn(delayMs);
    const index = this.#lists.indexOf(timer);
    if (index !== UNSCHEDULED && this.#lists.dueTick(index) <= dueTick) return;
    this.#schedule(timer, dueTick);
  }

  /** Forget `timer`; does nothing if it is not scheduled. */
  cancel(timer: TimerEntry): void {
    const index = this.#lists.indexOf(timer);
    if (index !== UNSCHEDULED) this.#lists.remove(index);
  }

  /** Milliseconds until the next possible work; Infinity if there is none. */
  msToNext(): number {
    if (this.#alarmTick === Infinity) return Infinity;
    return Math.max(this.#alarmTick * TICK_MS - performance.now(), 0);
  }

  /** Stop the Node timer. Scheduled timers never fire. */
  close(): void {
    this.#clearAlarm();
  }

  #schedule(timer: TimerEntry, wanted: number): void {
    const lists = this.#lists;
    if (lists.size === 0) this.#tick = currentTick();
    const dueTick = Math.max(wanted, this.#tick + 1);
    const found = lists.indexOf(timer);
    const index = found === UNSCHEDULED ? lists.add(timer) : found;
    lists.setDueTick(index, dueTick);
    lists.move(index, this.#slotFor(dueTick));
    if (dueTick < this.#alarmTick) this.#setAlarm(dueTick);
  }

  /** The slot of `dueTick`, which is not past. */
  #slotFor(dueTick: number): number {
    const distance = dueTick - this.#tick;
    let level = 0;
    while (distance >= (SPANS[level] as number) * SLOTS) level += 1;
    return slotAt(level, dueTick);
  }

  #advance(): void {
    this.#clearAlarm();
    this.#collectDue(currentTick());
    const lists = this.#lists;
    for (let index = lists.first(DUE); index !== UNSCHEDULED; index = lists.first(DUE)) {
      const timer = lists.remove(index);
      try {
        timer.onTimer();
      } catch (error) {
        this.#onError(error);
      }
    }
    const tick = this.#nextTick();
    if (tick < this.#alarmTick) this.#setAlarm(tick);
  }

  /** Move the due timers to a list of their own, so that firing may schedule again. */
  #collectDue(now: number): void {
    for (let tick = this.#nextTick(); tick <= now; tick = this.#nextTick()) {
      this.#tick = tick;
      for (let level = SPANS.length - 1; level > 0; level -= 1) {
        if (tick % (SPANS[level] as number) === 0) this.#moveDown(slotAt(level, tick));
      }
      this.#moveDue(slotAt(0, tick));
    }
    this.#tick = Math.max(this.#tick, now);
  }

  /** The time of a slot of a higher level has come: move its timers to lower levels. */
  #moveDown(slot: number): void {
    const lists = this.#lists;
    for (let index = lists.first(slot); index !== UNSCHEDULED; index = lists.first(slot)) {
      lists.move(index, this.#slotFor(lists.dueTick(index)));
    }
  }

  #moveDue(slot: number): void {
    const lists = this.#lists;
    for (let index = lists.first(slot); index !== UNSCHEDULED; index = lists.first(slot)) {
      lists.move(index, DUE);
    }
  }

  /** The next tick at which a slot must be served or moved down; Infinity if all are empty. */
  #nextTick(): number {
    let next = Infinity;
    if (this.#lists.size === 0) return next;
    for (let level = 0; level < SPANS.length; level += 1) {
      const span = SPANS[level] as number;
      const first = (Math.floor(this.#tick / span) + 1) * span;
      const last = Math.min(next - 1, first + span * (SLOTS - 1));
      for (let tick = first; tick <= last; tick += span) {
        if (this.#lists.first(slotAt(level, tick)) === UNSCHEDULED) continue;
        next = tick;
        break;
      }
    }
    return next;
  }

  #setAlarm(tick: number): void {
    this.#clearAlarm();
    this.#alarmTick = tick;
    const delayMs = Math.max(Math.ceil(tick * TICK_MS - performance.now()), 1);
    // The longest delay, rounded up to a tick, would exceed Node's limit, and Node would make it 1.
    const capped = Math.min(delayMs, MAX_DELAY_MS);
    this.#alarm = outsideCallers(() => setTimeout(this.#onAlarm, capped).unref());
  }

  #clearAlarm(): void {
    if (this.#alarm !== null) clearTimeout(this.#alarm);
    this.#alarm = null;
    this.#alarmTick = Infinity;
  }
}

function currentTick(): number {
  return Math.floor(performance.now() / TICK_MS);
}

/** The tick that is `delayMs` from now, or less than a tick later. */
function dueTickIn(delayMs: number): number {
  if (typeof delayMs !== 'number') throw invalidType('delayMs', 'a number', delayMs);
  if (Number.isNaN(delayMs)) throw outOfRange('delayMs', 'a number of milliseconds', delayMs);
  const delay = Math.min(Math.max(delayMs, 0), MAX_DELAY_MS);
  return Math.ceil((performance.now() + delay) / TICK_MS);
}

/** The list of the slot in which `level` has `tick`. */
function slotAt(level: number, tick: number): number {
  return level * SLOTS + (Math.floor(tick / (SPANS[level] as number)) % SLOTS);
}
