import { TimerWheel, WheelTimer } from '../../src/loop/timer-wheel';
import { until } from '../support/until';

let wheel: TimerWheel;
let errors: unknown[];
beforeEach(() => {
  errors = [];
  wheel = new TimerWheel((error) => errors.push(error));
});
afterEach(() => wheel.close());

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
  await until(() => firedAt.length === 1);
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
  await until(() => firedAt.length === 1);
  expect((shortFiredAt[0] as number) - start).toBeLessThan(2_000);
  expect((firedAt[0] as number) - start).toBeGreaterThanOrEqual(2_600);
});

test('timers fire in the order of their deadlines', async () => {
  const order: number[] = [];
  for (const delayMs of [90, 30, 60, 120]) {
    wheel.schedule(timer(() => order.push(delayMs)).timer, delayMs);
  }
  await until(() => order.length === 4);
  expect(order).toEqual([30, 60, 90, 120]);
});

test('a sooner timer is not kept waiting by a later one', async () => {
  const late = timer();
  const soon = timer();
  wheel.schedule(late.timer, 60_000);
  wheel.schedule(soon.timer, 20);
  await until(() => soon.firedAt.length === 1);
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
  await until(() => other.firedAt.length === 1);
  expect(cancelled.firedAt).toEqual([]);
  expect(wheel.size).toBe(0);
});

test('scheduling again replaces the deadline', async () => {
  const { timer: moved, firedAt } = timer();
  wheel.schedule(moved, 20);
  const start = performance.now();
  wheel.schedule(moved, 80);
  expect(wheel.size).toBe(1);
  await until(() => firedAt.length === 1);
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
  await until(() => rounds === 3);
  await until(() => killer.firedAt.length === 1);
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
  await until(() => other.firedAt.length === 1);
  expect(errors).toEqual([expect.objectContaining({ message: 'in a timer' })]);
});

test('20,000 timers cost one timer of Node', async () => {
  const created = jest.spyOn(globalThis, 'setTimeout');
  let fired = 0;
  const owner = {
    onTimer: () => {
      fired += 1;
    },
  };
  for (let index = 0; index < 20_000; index += 1) wheel.schedule(new WheelTimer(owner), 200);
  const calls = created.mock.calls.length;
  created.mockRestore();
  expect(calls).toBeLessThan(20);
  await until(() => fired === 20_000);
  expect(wheel.size).toBe(0);
});

test('the time to the next deadline is known, for a wait that must end in time', () => {
  expect(wheel.msToNext()).toBe(Infinity);
  wheel.schedule(timer().timer, 50);
  expect(wheel.msToNext()).toBeGreaterThan(40);
  expect(wheel.msToNext()).toBeLessThanOrEqual(60);
});
