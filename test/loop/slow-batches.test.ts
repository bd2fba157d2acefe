import { SlowBatches } from '../../src/loop/slow-batches';

test('the end of a slow batch is known by its stamp, and of a short one the stamp is the end', () => {
  const batches = new SlowBatches();
  batches.note(100, 109.9);
  batches.note(109, 119);
  batches.note(119, 500);
  expect([100, 109, 119, 120, 500, Infinity].map((stamp) => batches.endOf(stamp))).toEqual([
    100,
    119,
    500,
    120,
    500,
    Infinity,
  ]);
});

test('of several with one stamp, it is the last', () => {
  const batches = new SlowBatches();
  batches.note(100, 110);
  batches.note(100, 130);
  expect(batches.endOf(100)).toBe(130);
});

test('a batch is forgotten when 64 times its length have passed, and not before', () => {
  const batches = new SlowBatches();
  batches.note(0, 100);
  batches.note(6_490, 6_500);
  expect(batches.endOf(0)).toBe(100);
  batches.note(6_491, 6_501);
  expect([batches.endOf(0), batches.endOf(6_490)]).toEqual([0, 6_500]);
});

test('a loop that is slow for days keeps a few hundred', () => {
  const batches = new SlowBatches();
  let [now, most] = [0, 0];
  for (let count = 0; count < 100_000; count += 1) {
    const length = count % 1_000 === 0 ? 60_000 : 10 + (count % 91);
    batches.note(now, now + length);
    now += length;
    most = Math.max(most, batches.size);
  }
  expect(most).toBeLessThan(500);
});
