import { randomBytes } from 'node:crypto';
import { unmask } from '../../src/ws/mask';

/** The definition: byte i is XORed with byte i mod 4 of the key. */
function reference(bytes: Buffer, key: number): Buffer {
  return Buffer.from(bytes.map((byte, index) => byte ^ ((key >>> (8 * (index & 3))) & 0xff)));
}

test('is the definition, for every alignment and length', () => {
  for (let start = 0; start < 9; start += 1) {
    for (const length of [0, 1, 2, 3, 4, 7, 31, 32, 33, 34, 35, 36, 63, 64, 1_000, 1_001]) {
      const memory = Buffer.from(randomBytes(start + length + 8));
      const before = Buffer.from(memory);
      const key = randomBytes(4).readInt32LE();
      unmask(memory, start, start + length, key);
      const expected = Buffer.concat([
        before.subarray(0, start),
        reference(before.subarray(start, start + length), key),
        before.subarray(start + length),
      ]);
      expect(memory.equals(expected)).toBe(true);
    }
  }
});

test('goes on where it stopped, with the key it returned', () => {
  const payload = randomBytes(500);
  const key = randomBytes(4).readInt32LE();
  const expected = reference(payload, key);
  for (const size of [1, 2, 3, 5, 33, 64, 499]) {
    const bytes = Buffer.from(payload);
    let turned = key;
    for (let at = 0; at < bytes.length; at += size) {
      turned = unmask(bytes, at, Math.min(at + size, bytes.length), turned);
    }
    expect(bytes.equals(expected)).toBe(true);
  }
});

test('reaches the last bytes of memory whose size is no multiple of four', () => {
  const bytes = Buffer.from(new ArrayBuffer(1_003));
  unmask(bytes, 0, bytes.length, 0x01010101);
  expect(bytes.every((byte) => byte === 1)).toBe(true);
});
