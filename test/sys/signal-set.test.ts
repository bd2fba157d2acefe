import { constants } from 'node:os';
import * as sys from '../../src/sys';

/** The signals whose bit is set. */
function members(bytes: Uint8Array): number[] {
  const bits = Array.from({ length: bytes.length * 8 }, (_, bit) => bit);
  return bits
    .filter((bit) => ((bytes[bit >> 3] as number) & (1 << (bit & 7))) !== 0)
    .map((b) => b + 1);
}

test('a set has one bit for each signal, the first one for signal 1', () => {
  expect(sys.encodeSignalSet([])).toEqual(new Uint8Array(sys.SIGNAL_SET_BYTES));
  expect([...sys.encodeSignalSet([1, 9, 64]).subarray(0, 8)]).toEqual([1, 1, 0, 0, 0, 0, 0, 0x80]);
  expect(members(sys.encodeSignalSet(['SIGINT', 'SIGTERM', 2]))).toEqual([2, 15]);
});

test('every name of Node is a signal, and every realtime signal a number', () => {
  const names = Object.keys(constants.signals) as NodeJS.Signals[];
  const numbers = new Set(Object.values(constants.signals));
  expect(new Set(members(sys.encodeSignalSet(names)))).toEqual(numbers);
  const realtime = Array.from({ length: 30 }, (_, index) => 35 + index);
  expect(members(sys.encodeSignalSet(realtime))).toEqual(realtime);
});

test('a set is fresh memory each time', () => {
  expect(sys.encodeSignalSet([1])).not.toBe(sys.encodeSignalSet([1]));
});

test.each([0, -1, 65, 1.5, Number.NaN, 2 ** 32 + 1, 'SIGNOTHING', 'int', '', 'toString'])(
  'the signal %p is a RangeError that names it by its place',
  (signal) => {
    const signals = ['SIGINT', signal] as number[];
    expect(() => sys.encodeSignalSet(signals)).toThrow(RangeError);
    expect(() => sys.encodeSignalSet(signals, 'mask')).toThrow(/"mask\[1\]"/);
  },
);

test.each([32, 33])('libc keeps signal %d for its threads', (signal) => {
  expect(() => sys.encodeSignalSet([signal])).toThrow(/libc does not keep for itself/);
});

test.each([null, 'SIGINT', 2, new Set(['SIGINT']), [null], [2n], new Array(1)])(
  '%p is a TypeError',
  (signals) => {
    expect(() => sys.encodeSignalSet(signals as number[])).toThrow(TypeError);
  },
);
