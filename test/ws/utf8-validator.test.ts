import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { isWholeUtf8, Utf8Validator } from '../../src/ws/utf8-validator';

/** Whether `bytes` are accepted, given in pieces of `size`; and after how many bytes they are refused. */
function validate(bytes: Buffer, size: number): { valid: boolean; refusedAfter: number | null } {
  const validator = new Utf8Validator();
  for (let at = 0; at < bytes.length; at += size) {
    const end = Math.min(at + size, bytes.length);
    if (!validator.push(bytes.subarray(at, end))) return { valid: false, refusedAfter: end };
  }
  return { valid: validator.complete, refusedAfter: null };
}

const VALID = [
  '',
  'ascii',
  'ü',
  '€',
  '😀',
  '\u0000',
  '\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff',
  '\u{10000}\u{10ffff}',
  'κόσμε',
];
const INVALID: [string, number[], number][] = [
  ['a continuation alone', [0x80], 1],
  ['an overlong slash', [0xc0, 0xaf], 1],
  ['an overlong null', [0xc1, 0x80], 1],
  ['an overlong of three', [0xe0, 0x9f, 0xbf], 2],
  ['an overlong of four', [0xf0, 0x8f, 0xbf, 0xbf], 2],
  ['a surrogate', [0xed, 0xa0, 0x80], 2],
  ['past U+10FFFF', [0xf4, 0x90, 0x80, 0x80], 2],
  ['a byte of five', [0xf8, 0x88, 0x80, 0x80, 0x80], 1],
  ['FE', [0xfe], 1],
  ['a character cut by another', [0xe2, 0x82, 0x41], 3],
  ['a character cut by a lead', [0xf0, 0x9f, 0xf0], 3],
];

describe.each([1, 2, 3, 4, 1_000])('in pieces of %d', (size) => {
  test.each(VALID)('%j is valid', (text) => {
    expect(validate(Buffer.from(text), size).valid).toBe(true);
  });

  test.each(INVALID)('%s is refused', (_name, bytes) => {
    for (const before of ['', 'x', 'ü', 'long enough for a call into C++ '.repeat(10)]) {
      expect(validate(Buffer.concat([Buffer.from(before), Buffer.from(bytes)]), size).valid).toBe(
        false,
      );
    }
  });
});

test.each(INVALID)('%s is refused at the first byte that shows it', (_name, bytes, after) => {
  expect(validate(Buffer.from(bytes), 1).refusedAfter).toBe(after);
});

test('a text may not end within a character', () => {
  for (const text of ['ü', '€', '😀']) {
    const bytes = Buffer.from(text);
    for (let length = 1; length < bytes.length; length += 1) {
      expect(validate(bytes.subarray(0, length), 1)).toEqual({ valid: false, refusedAfter: null });
    }
  }
});

test('agrees with Node for random bytes and for mutilated texts, in random pieces', () => {
  const text = Buffer.from('a ü € 😀 and again: ü€😀ü€😀');
  for (let round = 0; round < 5_000; round += 1) {
    const bytes = round % 2 === 0 ? randomBytes(1 + (round % 8)) : Buffer.from(text);
    if (round % 2 === 1) bytes[round % bytes.length] = round & 0xff;
    expect(validate(bytes, 1 + (round % 7)).valid).toBe(isUtf8(bytes));
    expect(isWholeUtf8(bytes)).toBe(isUtf8(bytes));
  }
});
