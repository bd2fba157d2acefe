/** The bits of a slot number and of a slot word. */
import { SlotTable, tableBytes } from '../../../src/cluster/shared/slot-table';
import {
  ARMED,
  generationMask,
  generationOf,
  HELD_NOTED,
  indexBits,
  MAX_SLOTS,
  phaseOf,
  seatOf,
  slotWord,
} from '../../../src/cluster/shared/slot-word';
import { EPOLLIN } from '../../../src/sys/constants';

test.each([
  [1, 0, 2 ** 20],
  [2, 1, 2 ** 20],
  [3, 2, 2 ** 20],
  [1024, 10, 2 ** 20],
  [1025, 11, 2 ** 20],
  [4097, 13, 2 ** 18],
  [MAX_SLOTS, 16, 2 ** 15],
])('%i slots: %i bits of index, %i generations', (slots, bits, generations) => {
  expect(indexBits(slots)).toBe(bits);
  expect(generationMask(bits)).toBe(generations - 1);
});

test('the parts of a word come back, at their limits too', () => {
  for (const generation of [0, 1, 2 ** 20 - 1]) {
    for (const seat of [0, 1, 255]) {
      for (const phase of [ARMED, HELD_NOTED]) {
        const word = slotWord(generation, seat, phase);
        expect([generationOf(word), seatOf(word), phaseOf(word)]).toEqual([
          generation,
          seat,
          phase,
        ]);
      }
    }
  }
});

test('a place that is used again has another number each time, until the generations are used up', () => {
  const shape = { slots: MAX_SLOTS, recordBytes: 0 };
  const next = new Int32Array(1);
  const table = new SlotTable(new SharedArrayBuffer(tableBytes(shape)), 0, shape, next);
  table.seat = 1;
  const seen = new Set<number>();
  for (let round = 0; round < 2 ** 15; round += 1) {
    next[0] = 0;
    // Also with an fd that is not open: what the inode is compared with.
    const slot = round < 10 ? table.claim(0, EPOLLIN, false) : claimFast(table);
    seen.add(slot);
    table.free(slot);
  }
  expect(seen.size).toBe(2 ** 15);
  expect(Math.max(...[...seen].slice(-10))).toBeLessThanOrEqual(0x7fff_ffff);
  next[0] = 0;
  expect(seen.has(claimFast(table))).toBe(true);
});

function claimFast(table: SlotTable): number {
  return table.claim(0x7fff_ffff, EPOLLIN, false);
}
