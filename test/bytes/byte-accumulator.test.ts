/** Pieces of one message: put together as they came, in little more memory than they have. */
import { ByteAccumulator } from '../../src/bytes/byte-accumulator';
import { Random } from '../support/random';

const KIB = 1024;

afterEach(() => jest.restoreAllMocks());

test.each([
  ['pieces as they are read', 64 * KIB],
  ['pieces of a segment', 1_460],
  ['small pieces', 100],
])('half a message of 1 MiB holds little more than its half: %s', (_, size) => {
  const made = jest.spyOn(Buffer, 'allocUnsafeSlow');
  const message = new ByteAccumulator();
  const half = 512 * KIB + 1;
  for (let left = half; left > 0; left -= size) message.append(Buffer.alloc(Math.min(size, left)));
  expect(message.length).toBe(half);
  const allocated = made.mock.calls.reduce((sum, [bytes]) => sum + bytes, 0);
  expect(allocated).toBeLessThanOrEqual(half + 64 * KIB);
  expect(made.mock.calls.length).toBeLessThan(20);
});

test('what comes in random pieces is taken as it was', () => {
  const random = new Random(7);
  const accumulator = new ByteAccumulator();
  for (let round = 0; round < 50; round += 1) {
    const whole = Buffer.from(
      Array.from({ length: random.below(20_000) }, () => random.below(256)),
    );
    for (let at = 0; at < whole.length; ) {
      const end = at + random.below(5_000);
      accumulator.append(whole.subarray(at, end));
      at = Math.min(end, whole.length);
    }
    expect(accumulator.length).toBe(whole.length);
    expect(accumulator.take().equals(whole)).toBe(true);
    expect([accumulator.length, accumulator.capacity]).toEqual([0, 0]);
  }
});
