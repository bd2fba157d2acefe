import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type TimerEntry, UNSCHEDULED } from '../../src/loop/timer-lists';
import { TimerWheel, WheelTimer } from '../../src/loop/timer-wheel';
import { until as untilLater } from '../support/until';

let wheel: TimerWheel;
let errors: unknown[];
beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  errors = [];
  wheel = new TimerWheel((error) => errors.push(error));
});
afterEach(() => {
  wheel.close();
  jest.useRealTimers();
});

/** Let time pass, a millisecond a step, until `condition` holds. */
function until(condition: () => boolean): void {
  for (let ms = 0; !condition(); ms += 1) {
    if (ms > 10_000) throw new Error(`${ms} ms passed without ${condition}`);
    jest.advanceTimersByTime(1);
  }
}

/** A timer that notes when it fired. */
function timer(onTimer: () => void = () => {}): { timer: WheelTimer; firedAt: number[] } {
  const firedAt: number[] = [];
  const owner = {
    onTimer: () => {
      firedAt.push(performance.now());
      onTimer();
    },
  };
  return { timer: new WheelTimer(owner), firedAt };
}

test.each([0, 1, 10, 25, 137])('a delay of %d ms is never cut short', async (delayMs) => {
  const { timer: wanted, firedAt } = timer();
  const start = performance.now();
  wheel.schedule(wanted, delayMs);
  expect([wanted.scheduled, wheel.size]).toEqual([true, 1]);
  until(() => firedAt.length === 1);
  expect((firedAt[0] as number) - start).toBeGreaterThanOrEqual(delayMs);
  expect([wanted.scheduled, wheel.size]).toEqual([false, 0]);
});

test('a delay longer than one turn of the wheel waits for its own turn', async () => {
  const { timer: long, firedAt } = timer();
  const start = performance.now();
  // The wheel turns once in 2,560 ms: this one shares a slot with a timer of 40 ms.
  wheel.schedule(long, 2_600);
  const { timer: short, firedAt: shortFiredAt } = timer();
  wheel.schedule(short, 40);
  until(() => firedAt.length === 1);
  expect(shortFiredAt[0] as number).toBeLessThan(firedAt[0] as number);
  expect((firedAt[0] as number) - start).toBeGreaterThanOrEqual(2_600);
});

test('timers fire in the order of their deadlines', async () => {
  const order: number[] = [];
  for (const delayMs of [90, 30, 60, 120]) {
    wheel.schedule(timer(() => order.push(delayMs)).timer, delayMs);
  }
  until(() => order.length === 4);
  expect(order).toEqual([30, 60, 90, 120]);
});

test('a sooner timer is not kept waiting by a later one', async () => {
  const late = timer();
  const soon = timer();
  wheel.schedule(late.timer, 60_000);
  wheel.schedule(soon.timer, 20);
  until(() => soon.firedAt.length === 1);
  expect(late.firedAt).toEqual([]);
  expect(wheel.size).toBe(1);
});

test('a cancelled timer does not fire; cancelling again does nothing', async () => {
  const cancelled = timer();
  const other = timer();
  wheel.schedule(cancelled.timer, 20);
  wheel.schedule(other.timer, 40);
  wheel.cancel(cancelled.timer);
  wheel.cancel(cancelled.timer);
  until(() => other.firedAt.length === 1);
  expect(cancelled.firedAt).toEqual([]);
  expect(wheel.size).toBe(0);
});

test('scheduling again replaces the deadline', async () => {
  const { timer: moved, firedAt } = timer();
  wheel.schedule(moved, 20);
  const start = performance.now();
  wheel.schedule(moved, 80);
  expect(wheel.size).toBe(1);
  until(() => firedAt.length === 1);
  expect((firedAt[0] as number) - start).toBeGreaterThanOrEqual(80);
});

test('a timer may schedule itself again, and cancel others that are due with it', async () => {
  let rounds = 0;
  const again = timer(() => {
    rounds += 1;
    if (rounds < 3) wheel.schedule(again.timer, 10);
  });
  const victim = timer();
  const killer = timer(() => wheel.cancel(victim.timer));
  wheel.schedule(killer.timer, 20);
  wheel.schedule(victim.timer, 20);
  wheel.schedule(again.timer, 10);
  until(() => rounds === 3);
  until(() => killer.firedAt.length === 1);
  expect(victim.firedAt).toEqual([]);
});

test('an owner that throws does not stop the others', async () => {
  const other = timer();
  wheel.schedule(
    timer(() => {
      throw new Error('in a timer');
    }).timer,
    10,
  );
  wheel.schedule(other.timer, 10);
  until(() => other.firedAt.length === 1);
  expect(errors).toEqual([expect.objectContaining({ message: 'in a timer' })]);
});

test('the time to the next deadline is known, for a wait that must end in time', () => {
  expect(wheel.msToNext()).toBe(Infinity);
  wheel.schedule(timer().timer, 50);
  expect(wheel.msToNext()).toBeGreaterThan(40);
  expect(wheel.msToNext()).toBeLessThanOrEqual(60);
});

test('what is no delay is refused, and nothing is scheduled', () => {
  const { timer: wanted } = timer();
  expect(() => wheel.schedule(wanted, Number.NaN)).toThrow(/"delayMs"/);
  expect(() => wheel.schedule(wanted, '5' as unknown as number)).toThrow(/"delayMs"/);
  expect([wanted.scheduled, wheel.size]).toEqual([false, 0]);
});

test('sooner: an earlier deadline replaces a later one, and not the other way round', async () => {
  const moved = timer();
  const late = timer();
  wheel.schedule(moved.timer, 60_000);
  wheel.scheduleSooner(moved.timer, 20);
  wheel.scheduleSooner(moved.timer, 60_000);
  wheel.scheduleSooner(late.timer, 60_000);
  until(() => moved.firedAt.length === 1);
  expect([wheel.size, late.timer.scheduled]).toEqual([1, true]);
});

test('a timer belongs to one wheel, and its index is the wheel’s', () => {
  const other = new TimerWheel(() => {});
  const { timer: mine } = timer();
  wheel.schedule(mine, 60_000);
  expect(() => other.schedule(mine, 60_000)).toThrow(TypeError);
  other.cancel(mine);
  expect([wheel.size, other.size, mine.scheduled]).toEqual([1, 0, true]);
  const forged: TimerEntry = { timerIndex: mine.timerIndex, onTimer: () => {} };
  wheel.cancel(forged);
  expect(() => wheel.schedule(forged, 10)).toThrow(TypeError);
  expect([wheel.size, mine.scheduled]).toEqual([1, true]);
  other.close();
});

/** A timer that was scheduled and is not any more, which nobody else has. */
function forgotten(isFired: boolean): WeakRef<TimerEntry> {
  const owner: TimerEntry = { timerIndex: UNSCHEDULED, onTimer: () => {} };
  wheel.schedule(owner, isFired ? 0 : 60_000);
  if (!isFired) wheel.cancel(owner);
  return new WeakRef(owner);
}

test('an owner that was cancelled, or fired, is not kept in memory', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const { timer: other } = timer();
  wheel.schedule(other, 600_000);
  const owners = [forgotten(false), forgotten(true)];
  until(() => wheel.size === 1);
  // An object lives on in the turn in which it was looked at, so this takes turns of its own.
  jest.useRealTimers();
  await untilLater(() => {
    gc();
    return owners.every((owner) => owner.deref() === undefined);
  });
});

describe('long delays, and many', () => {
  const TICK_MS = 10;
  const DAY_MS = 24 * 60 * 60 * 1_000;
  const LONGEST_MS = 0x7fff_ffff;
  let timersOfNode: jest.SpyInstance;

  beforeEach(() => {
    timersOfNode = jest.spyOn(globalThis, 'setTimeout');
  });
  afterEach(() => timersOfNode.mockRestore());

  /** Objects that lend the wheel a field, and note their number when their time has come. */
  class Deadline implements TimerEntry {
    timerIndex: number = UNSCHEDULED;
    readonly id: number;
    readonly #fired: number[];
    dueAt = 0;

    constructor(fired: number[], id = 0) {
      this.#fired = fired;
      this.id = id;
    }

    onTimer(): void {
      this.#fired.push(this.id);
    }

    in(delayMs: number): this {
      this.dueAt = performance.now() + delayMs;
      wheel.schedule(this, delayMs);
      return this;
    }
  }

  function make(count: number, fired: number[]): Deadline[] {
    return Array.from({ length: count }, (_, id) => new Deadline(fired, id));
  }

  /** The same numbers each time, spread over 0 to 1. */
  function* spread(): Generator<number, never> {
    for (let value = 1; ; value = (value * 48_271) % 0x7fff_ffff) yield value / 0x7fff_ffff;
  }

  /** How many fired before one that was due in an earlier tick. */
  function countDisorder(fired: number[], all: Deadline[]): number {
    const ticks = fired.map((id) => Math.ceil((all[id] as Deadline).dueAt / TICK_MS));
    return ticks.filter((tick, index) => index > 0 && tick < (ticks[index - 1] as number)).length;
  }

  const same = (a: number[], b: number[]): boolean => a.join() === b.join();

  test.each([
    2_550,
    2_560,
    2_570,
    5_120,
    60_000,
    655_350,
    655_360,
    655_370,
    3_600_000,
    167_772_150,
    167_772_160,
    167_772_170,
    2 * DAY_MS,
    20 * DAY_MS,
    LONGEST_MS,
  ])('%d ms are kept to the tick, with a few timers of Node', (delayMs) => {
    const fired: number[] = [];
    jest.advanceTimersByTime(12_345);
    new Deadline(fired).in(delayMs);
    jest.advanceTimersByTime(delayMs - 1);
    expect(fired).toHaveLength(0);
    jest.advanceTimersByTime(2 * TICK_MS);
    expect(fired).toHaveLength(1);
    expect([wheel.size, errors]).toEqual([0, []]);
    expect(timersOfNode.mock.calls.length).toBeLessThan(8);
    for (const [, waitMs] of timersOfNode.mock.calls) {
      expect(waitMs).toBeLessThanOrEqual(LONGEST_MS);
    }
  });

  test('a timer for a tick that has been served waits for the next one, not for a turn of the wheel', () => {
    const fired: number[] = [];
    new Deadline(fired).in(600_000);
    // Exactly at a tick, which is over as soon as it has come.
    jest.advanceTimersByTime(100 * TICK_MS);
    new Deadline(fired, 1).in(2 * TICK_MS);
    jest.advanceTimersByTime(2 * TICK_MS);
    new Deadline(fired, 2).in(0);
    jest.advanceTimersByTime(TICK_MS);
    expect(fired).toEqual([1, 2]);
  });

  test('20,000 timers of all lengths: no object each, a few timers of Node, in the order of time', () => {
    const fired: number[] = [];
    const numbers = spread();
    const all = make(20_000, fired);
    // As many in each order of magnitude: from 10 ms to 10,000 s.
    for (const deadline of all) deadline.in(10 ** (1 + 6 * numbers.next().value));
    expect(wheel.size).toBe(20_000);
    expect(new Set(all.map(({ timerIndex }) => timerIndex)).size).toBe(20_000);
    expect(wheel.capacity).toBeLessThanOrEqual(2 * 20_000);
    // One for each time that a sooner deadline than all before it came.
    expect(timersOfNode.mock.calls.length).toBeLessThan(30);
    jest.advanceTimersByTime(10_000_000 + TICK_MS);
    expect(fired).toHaveLength(20_000);
    expect(countDisorder(fired, all)).toBe(0);
  });

  test('a thread that is late by hours fires all timers, in the order of time', () => {
    const fired: number[] = [];
    const numbers = spread();
    const all = make(2_001, fired);
    for (const deadline of all.slice(1)) deadline.in(3_600_000 * numbers.next().value);
    (all[0] as Deadline).in(4 * 3_600_000);
    // The clock goes on, and no timer of Node fires meanwhile.
    const late = jest.spyOn(performance, 'now').mockReturnValue(3 * 3_600_000);
    jest.runOnlyPendingTimers();
    late.mockRestore();
    expect(fired).toHaveLength(2_000);
    expect(countDisorder(fired, all)).toBe(0);
    expect(wheel.size).toBe(1);
  });

  test('cancelling and moving thousands leaves the others as they are', () => {
    const fired: number[] = [];
    const all = make(9_000, fired);
    for (const deadline of all) deadline.in(1_000 + deadline.id * TICK_MS);
    for (const deadline of all) {
      if (deadline.id % 3 === 0) wheel.cancel(deadline);
      if (deadline.id % 3 === 1) deadline.in(200_000 - deadline.id * TICK_MS);
    }
    jest.advanceTimersByTime(1_000 + 9_000 * TICK_MS);
    const ids = all.map(({ id }) => id);
    const kept = ids.filter((id) => id % 3 === 2);
    const moved = ids.filter((id) => id % 3 === 1).reverse();
    expect(fired.length).toBe(kept.length);
    expect(same(fired, kept)).toBe(true);
    jest.advanceTimersByTime(200_000);
    expect(same(fired.slice(kept.length), moved)).toBe(true);
    expect(wheel.size).toBe(0);
  });

  test('memory follows the number of timers, up and down, and each stays what it was', () => {
    const fired: number[] = [];
    const smallest = wheel.capacity;
    const kept = make(20, fired);
    for (const deadline of kept) deadline.in(60_000 - deadline.id * 1_000);
    const burst = make(20_000, fired);
    for (const deadline of burst) deadline.in(70_000 + deadline.id);
    expect(wheel.capacity).toBeGreaterThanOrEqual(20_020);
    for (const deadline of burst) wheel.cancel(deadline);
    expect(wheel.size).toBe(20);
    expect(wheel.capacity).toBeLessThanOrEqual(smallest * 4);
    expect(burst.filter(({ timerIndex }) => timerIndex !== UNSCHEDULED)).toHaveLength(0);
    jest.advanceTimersByTime(70_000);
    expect(same(fired, kept.map(({ id }) => id).reverse())).toBe(true);
  });

  test('memory may shrink and grow while timers fire', () => {
    const fired: number[] = [];
    const others: Deadline[] = [];
    class Breeder extends Deadline {
      override onTimer(): void {
        super.onTimer();
        others.push(new Deadline(fired, 1).in(30_000));
      }
    }
    class Killer extends Deadline {
      override onTimer(): void {
        for (const other of others) wheel.cancel(other);
      }
    }
    for (let count = 0; count < 3_000; count += 1) new Breeder(fired).in(100);
    jest.advanceTimersByTime(120);
    expect([fired.length, wheel.size]).toEqual([3_000, 3_000]);
    new Killer(fired).in(100);
    new Deadline(fired, 7).in(100);
    jest.advanceTimersByTime(120);
    expect([wheel.size, fired.length, fired.at(-1)]).toEqual([0, 3_001, 7]);
  });
});
