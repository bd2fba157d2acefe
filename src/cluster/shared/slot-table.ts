/**
 * The slots of a shared set: claimed, armed, taken, freed by any thread, by compare-exchange.
 *
 * Each has its slot word (see slot-word.ts), the fd, the mask, the fd's inode, and a record of fixed size
 * that belongs to the users. All but the word is written by the thread that holds the slot alone. There
 * is no list of free slots: a thread looks on from where the last one found some, and a thread that dies
 * in the middle of anything leaves a word that says what it held. Knows nothing of epoll.
 */
import { fstatSync } from 'node:fs';
import { checkInteger } from '../../base/check';
import { noSlot, type SlotState } from '../errors';
import {
  ARMED,
  FREE,
  generationMask,
  generationOf,
  HELD,
  HELD_NOTED,
  indexBits,
  phaseOf,
  seatOf,
  slotWord,
} from './slot-word';

/** Words of a slot; the first is its slot word. fd + 1, so that zeroed memory names none. */
const FD = 1;
const MASK = 2;
const INODE = 3;
const OUTLIVES = 4;
/** Even, so that records are aligned to 8 bytes. */
const SLOT_WORDS = 6;

/** The seat of a slot that was put down. */
const NOBODY = 0;

/** How many slots are in which state. */
export interface SlotCounts {
  /** In no thread's hands. */
  armed: number;
  /** In a thread's hands. */
  held: number;
}

/** Sizes of a table, in front of its memory. */
export interface TableShape {
  slots: number;
  /** A multiple of 8. */
  recordBytes: number;
}

/** Bytes that a table of this shape takes. */
export function tableBytes({ slots, recordBytes }: TableShape): number {
  return slots * (SLOT_WORDS * 4 + recordBytes);
}

/** One thread's view of the table. */
export class SlotTable {
  readonly #words: Int32Array;
  readonly #next: Int32Array;
  readonly #slots: number;
  readonly #recordBytes: number;
  readonly #recordsAt: number;
  readonly #bits: number;
  readonly #generations: number;
  readonly #bytes: (Uint8Array | undefined)[] = [];
  readonly #integers: (Int32Array | undefined)[] = [];
  /** The seat of this thread. */
  seat = 0;

  /** The table at `offset` of `memory`. `next` is one word beside it: where to look for a free slot. */
  constructor(memory: SharedArrayBuffer, offset: number, shape: TableShape, next: Int32Array) {
    const { slots, recordBytes } = shape;
    this.#words = new Int32Array(memory, offset, slots * SLOT_WORDS);
    this.#next = next;
    this.#slots = slots;
    this.#recordBytes = recordBytes;
    this.#recordsAt = offset + slots * SLOT_WORDS * 4;
    this.#bits = indexBits(slots);
    this.#generations = generationMask(this.#bits);
  }

  /**
   * Claim a free slot for `fd`, in this thread's hands, with a record of zeros. `outlives`: see
   * {@link SlotTable.outlivesHolder}. Returns its number, or -1 if all are taken.
   */
  claim(fd: number, mask: number, outlives: boolean): number {
    const start = Atomics.load(this.#next, 0);
    for (let step = 0; step < this.#slots; step += 1) {
      const index = (start + step) % this.#slots;
      const at = index * SLOT_WORDS;
      const word = Atomics.load(this.#words, at);
      if (phaseOf(word) !== FREE) continue;
      const generation = generationOf(word);
      const held = slotWord(generation, this.seat, HELD);
      if (Atomics.compareExchange(this.#words, at, word, held) !== word) continue;
      this.#words[at + INODE] = inodeOf(fd);
      this.#words[at + MASK] = mask;
      this.#words[at + OUTLIVES] = Number(outlives);
      // Last: a thread that ends before has the fd still by itself.
      Atomics.store(this.#words, at + FD, fd + 1);
      Atomics.store(this.#next, 0, (index + 1) % this.#slots);
      this.#record(index).fill(0);
      return this.#numberOf(held, index);
    }
    return -1;
  }

  /** Whether the thread gets the slot of an event: from armed into its hands. Else the event is noted. */
  take(slot: number): boolean {
    for (;;) {
      const word = this.#current(slot);
      if (phaseOf(word) === FREE) return false;
      const held = phaseOf(word) === ARMED;
      const next = held
        ? slotWord(generationOf(word), this.seat, HELD)
        : slotWord(generationOf(word), seatOf(word), HELD_NOTED);
      if (this.#exchange(slot, word, next)) return held;
    }
  }

  /** As `take`, where several threads may have the same slot: it stays armed. */
  touch(slot: number): boolean {
    for (;;) {
      const word = this.#current(slot);
      if (phaseOf(word) === FREE) return false;
      if (phaseOf(word) === ARMED) return true;
      const noted = slotWord(generationOf(word), seatOf(word), HELD_NOTED);
      if (this.#exchange(slot, word, noted)) return false;
    }
  }

  /**
   * From this thread's hands to armed, after the kernel watches the fd. False if an event came before:
   * its thread could not take the slot, so the kernel must look again, and this be called again.
   */
  arm(slot: number): boolean {
    const word = this.#current(slot);
    const generation = generationOf(word);
    const isNoted = phaseOf(word) === HELD_NOTED;
    const next = isNoted ? slotWord(generation, this.seat, HELD) : slotWord(generation, 0, ARMED);
    return this.#exchange(slot, word, next) && !isNoted;
  }

  /** From one seat's hands into another's; seat 0 is no thread's. False if it is not in the first one's. */
  pass(slot: number, from: number, to: number): boolean {
    for (;;) {
      const word = this.#current(slot);
      const isHeld = phaseOf(word) === HELD || phaseOf(word) === HELD_NOTED;
      if (!isHeld || seatOf(word) !== from) return false;
      const next = slotWord(generationOf(word), to, phaseOf(word));
      if (this.#exchange(slot, word, next)) return true;
    }
  }

  /** Free a slot that this thread holds. Its number names no slot from now on. */
  free(slot: number): void {
    const at = this.#at(slot);
    const generation = (generationOf(Atomics.load(this.#words, at)) + 1) & this.#generations;
    Atomics.store(this.#words, at + FD, 0);
    Atomics.store(this.#words, at, slotWord(generation, 0, FREE));
  }

  /** What `slot` is to this thread at the moment. */
  stateOf(slot: number): SlotState {
    const word = this.#current(slot);
    if (phaseOf(word) === FREE) return 'gone';
    if (phaseOf(word) === ARMED) return 'armed';
    if (seatOf(word) === NOBODY) return 'down';
    return seatOf(word) === this.seat ? 'mine' : 'others';
  }

  /** The number of the slot at `index` if the thread of `seat` holds it, else -1. */
  heldAt(index: number, seat: number): number {
    const word = Atomics.load(this.#words, index * SLOT_WORDS);
    const isHeld = phaseOf(word) === HELD || phaseOf(word) === HELD_NOTED;
    return isHeld && seatOf(word) === seat ? this.#numberOf(word, index) : -1;
  }

  /** The number of the slot at `index` if it is armed, else -1. */
  armedAt(index: number): number {
    const word = Atomics.load(this.#words, index * SLOT_WORDS);
    return phaseOf(word) === ARMED ? this.#numberOf(word, index) : -1;
  }

  /** The fd at `index`, or -1. For the last thread. */
  fdAt(index: number): number {
    return Atomics.load(this.#words, index * SLOT_WORDS + FD) - 1;
  }

  /** From the hands of a thread that is dead into this thread's. */
  inherit(slot: number): void {
    Atomics.store(
      this.#words,
      this.#at(slot),
      slotWord(slot >>> this.#bits, this.seat, HELD_NOTED),
    );
  }

  /** The fd of a slot that this thread holds. */
  fdOf(slot: number): number {
    return Atomics.load(this.#words, this.#at(slot) + FD) - 1;
  }

  /** The mask that the fd of `slot` is watched for. */
  maskOf(slot: number): number {
    return (this.#words[this.#at(slot) + MASK] as number) >>> 0;
  }

  /** Replace it. */
  setMask(slot: number, mask: number): void {
    this.#words[this.#at(slot) + MASK] = mask;
  }

  /** Whether the fd is to be armed again, and not closed, when the thread that holds it ends. */
  outlivesHolder(slot: number): boolean {
    return this.#words[this.#at(slot) + OUTLIVES] === 1;
  }

  /** Whether the fd of `slot` is still the one that was added: a dead thread may have closed it. */
  hasItsFd(slot: number): boolean {
    const fd = this.fdOf(slot);
    return fd >= 0 && inodeOf(fd) === this.#words[this.#at(slot) + INODE];
  }

  /** The record of `slot` as bytes: the same view each time. */
  record(slot: number): Uint8Array {
    return this.#record(this.#indexOf(slot));
  }

  /** The record of `slot` as 32-bit integers: the same view each time. */
  integers(slot: number): Int32Array {
    const index = this.#indexOf(slot);
    const known = this.#integers[index];
    if (known !== undefined) return known;
    const { buffer, byteOffset, byteLength } = this.#record(index);
    const view = new Int32Array(buffer, byteOffset, byteLength / 4);
    this.#integers[index] = view;
    return view;
  }

  /** Throws a RangeError for what can be no slot number of this table. */
  check(slot: number): void {
    if (typeof slot === 'number' && slot >>> 0 === slot && slot <= 0x7fff_ffff) {
      if (this.#indexOf(slot) < this.#slots) return;
    }
    checkInteger('slot', slot, 0, 0x7fff_ffff);
    throw noSlot(slot);
  }

  /** How many slots are in use. Looks at each of them. */
  counts(): SlotCounts {
    const counts = { armed: 0, held: 0 };
    for (let index = 0; index < this.#slots; index += 1) {
      const phase = phaseOf(Atomics.load(this.#words, index * SLOT_WORDS));
      if (phase === ARMED) counts.armed += 1;
      else if (phase !== FREE) counts.held += 1;
    }
    return counts;
  }

  /** The word of the slot, or a free one if `slot` is of another generation. */
  #current(slot: number): number {
    const word = Atomics.load(this.#words, this.#at(slot));
    return generationOf(word) === slot >>> this.#bits ? word : FREE;
  }

  #exchange(slot: number, from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at(slot), from, to) === from;
  }

  #numberOf(word: number, index: number): number {
    return (generationOf(word) << this.#bits) | index;
  }

  #indexOf(slot: number): number {
    return slot & ((1 << this.#bits) - 1);
  }

  #at(slot: number): number {
    return this.#indexOf(slot) * SLOT_WORDS;
  }

  #record(index: number): Uint8Array {
    const known = this.#bytes[index];
    if (known !== undefined) return known;
    const start = this.#recordsAt + index * this.#recordBytes;
    const view = new Uint8Array(this.#words.buffer, start, this.#recordBytes);
    this.#bytes[index] = view;
    return view;
  }
}

/** The inode: an open file with the same number later has another one. -1 if `fd` is not open. */
function inodeOf(fd: number): number {
  try {
    return fstatSync(fd).ino | 0;
  } catch {
    return -1;
  }
}
