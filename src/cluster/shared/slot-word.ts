/**
 * The numbers of a shared set: the *slot number* that users hold, and the *slot word* in shared memory.
 *
 * A slot number is the index of a slot (low bits) and the slot's generation (the bits above, 31 in all,
 * so that it is a small integer that fits an Int32). The generation changes when a slot is freed: a
 * number that is still in a fetched event or in a queue names no socket then.
 *
 * A slot word is generation (20 bits), seat of the holder (8 bits) and phase (2 bits). It changes by
 * compare-exchange alone, so of two threads one gets the slot. Pure functions; no memory here.
 */

/** No thread's; may be claimed. */
export const FREE = 0;
/** In no thread's hands: the kernel watches its fd, and an event will bring it to a thread. */
export const ARMED = 1;
/** In one thread's hands; with seat 0, put down: in no thread's, and not watched. */
export const HELD = 2;
/** As HELD, and an event came meanwhile, which no thread took: the fd must be looked at again. */
export const HELD_NOTED = 3;

const PHASE_BITS = 2;
const SEAT_BITS = 8;
const GENERATION_BITS = 20;
const NUMBER_BITS = 31;
const PHASE_MASK = 2 ** PHASE_BITS - 1;
const SEAT_MASK = 2 ** SEAT_BITS - 1;
const GENERATION_SHIFT = PHASE_BITS + SEAT_BITS;

/** The most slots, so that at least 15 bits are left for the generation. */
export const MAX_SLOTS = 65_536;

/** A slot word. */
export function slotWord(generation: number, seat: number, phase: number): number {
  return (generation << GENERATION_SHIFT) | (seat << PHASE_BITS) | phase;
}

/** The phase of a slot word: FREE, ARMED, HELD or HELD_NOTED. */
export function phaseOf(word: number): number {
  return word & PHASE_MASK;
}

/** The seat of the thread that holds the slot, or 0. */
export function seatOf(word: number): number {
  return (word >>> PHASE_BITS) & SEAT_MASK;
}

/** The generation of a slot word. */
export function generationOf(word: number): number {
  return word >>> GENERATION_SHIFT;
}

/** How many bits of a slot number are the index, in a table of `slots`. */
export function indexBits(slots: number): number {
  return 32 - Math.clz32(slots - 1);
}

/** The mask that a generation is cut with, so that it fits both the slot number and the slot word. */
export function generationMask(bits: number): number {
  return 2 ** Math.min(GENERATION_BITS, NUMBER_BITS - bits) - 1;
}
