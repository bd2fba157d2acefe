/**
 * A hashed timer wheel: deadlines for many connections with one Node timer between them.
 *
 * A timer sits in the slot of its due tick modulo the number of slots, in a linked list through the
 * timers themselves, so scheduling and cancelling are a few assignments. Ticks are coarse: a timer
 * fires up to one tick late, never early. The Node timer is unref'd: a deadline alone does not hold
 * the process.
 *
 * Users that push a deadline back at each message should not reschedule each time: note the time of
 * the last activity, let the timer fire, and schedule it again for what is left.
 */
import { outsideCallers } from './context';

/** Milliseconds of one tick: the accuracy of a deadline. */
const TICK_MS = 10;
/** Slots, a power of two: one turn of the wheel is 2.56 s. Longer timers stay for more turns. */
const SLOTS = 256;
/** Longest delay, about 24 days: Node's timers go no further either. */
const MAX_DELAY_MS = 0x7fff_ffff;

class Link {
  previous: Link = this;
  next: Link = this;

  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this;
    this.next = this;
  }

  insertBefore(link: Link): void {
    this.previous = link.previous;
    this.next = link;
    link.previous.next = this;
    link.previous = this;
  }
}

/** Who is told that a timer is due. */
export interface TimerOwner {
  onTimer(timer: WheelTimer): void;
}

/** One deadline. Made once by its owner and scheduled as often as needed. */
export class WheelTimer extends Link {
  /** Maintained by the wheel. */
  dueTick = 0;
  readonly owner: TimerOwner;

  constructor(owner: TimerOwner) {
    super();
    this.owner = owner;
  }

  get scheduled(): boolean {
    return this.next !== this;
  }
}

/** The deadlines of one loop. */
export class TimerWheel {
  readonly #slots: Link[] = Array.from({ length: SLOTS }, () => new Link());
  readonly #onError: (error: unknown) => void;
  readonly #onAlarm = (): void => this.#advance();
  #size = 0;
  /** The last tick whose slot has been served. */
  #tick = currentTick();
  #alarm: NodeJS.Timeout | null = null;
  #alarmTick = Infinity;

  /** `onError` is told what an owner's `onTimer` throws. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** How many timers are scheduled. */
  get size(): number {
    return this.#size;
  }

  /** Have `timer.owner.onTimer` called in `delayMs`; replaces an earlier schedule. */
  schedule(timer: WheelTimer, delayMs: number): void {
    this.cancel(timer);
    if (this.#size === 0) this.#tick = currentTick();
    const delay = Math.min(Math.max(delayMs, 0), MAX_DELAY_MS);
    timer.dueTick = Math.max(Math.ceil((performance.now() + delay) / TICK_MS), this.#tick + 1);
    timer.insertBefore(this.#slot(timer.dueTick));
    this.#size += 1;
    if (timer.dueTick < this.#alarmTick) this.#setAlarm(timer.dueTick);
  }

  /** Forget `timer`; does nothing if it is not scheduled. */
  cancel(timer: WheelTimer): void {
    if (!timer.scheduled) return;
    timer.unlink();
    this.#size -= 1;
  }

  /** Milliseconds to the next slot that may hold a due timer; Infinity if there is none. */
  msToNext(): number {
    if (this.#alarmTick === Infinity) return Infinity;
    return Math.max(this.#alarmTick * TICK_MS - performance.now(), 0);
  }

  /** Stop the Node timer. Scheduled timers never fire. */
  close(): void {
    this.#clearAlarm();
  }

  #slot(tick: number): Link {
    return this.#slots[tick & (SLOTS - 1)] as Link;
  }

  #advance(): void {
    this.#clearAlarm();
    const now = currentTick();
    const due = this.#collectDue(now);
    while (due.next !== due) {
      const timer = due.next as WheelTimer;
      timer.unlink();
      this.#size -= 1;
      try {
        timer.owner.onTimer(timer);
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#setNextAlarm();
  }

  /** Move what is due out of the slots the clock has passed, so that firing may reschedule. */
  #collectDue(now: number): Link {
    const due = new Link();
    const first = Math.max(this.#tick + 1, now - SLOTS + 1);
    for (let tick = first; tick <= now; tick += 1) {
      const slot = this.#slot(tick);
      let link = slot.next;
      while (link !== slot) {
        const timer = link as WheelTimer;
        link = link.next;
        if (timer.dueTick > now) continue;
        timer.unlink();
        timer.insertBefore(due);
      }
    }
    this.#tick = Math.max(this.#tick, now);
    return due;
  }

  #setNextAlarm(): void {
    if (this.#size === 0) return;
    for (let tick = this.#tick + 1; tick <= this.#tick + SLOTS; tick += 1) {
      const slot = this.#slot(tick);
      if (slot.next === slot) continue;
      if (tick < this.#alarmTick) this.#setAlarm(tick);
      return;
    }
  }

  #setAlarm(tick: number): void {
    this.#clearAlarm();
    this.#alarmTick = tick;
    const delay = Math.max(Math.ceil(tick * TICK_MS - performance.now()), 1);
    this.#alarm = outsideCallers(() => setTimeout(this.#onAlarm, delay).unref());
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
