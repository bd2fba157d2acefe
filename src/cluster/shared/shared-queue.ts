/**
 * A queue of 32-bit integers, slot numbers for example, between any number of threads: bounded, first
 * in first out, without a lock.
 *
 * It is Dmitry Vyukov's bounded queue: each cell has a sequence number that says for which round it is
 * free or filled, and a position is claimed by compare-exchange. A thread is terminated only where a
 * function begins or a loop turns, so not between a claim and the store behind it: both are one straight
 * line of Atomics. Has no fd, so there is nothing to close.
 */
import { z } from 'zod';
import { checkInt } from '../../base/check';
import { parseOptions } from '../../base/options';
import { type BoundedWaitOptions, expectMayWait, timeoutOf } from './bounded-wait';
import { type SharedHandle, wordsOfHandle, wrongHandle } from './handle';

/** Options of {@link SharedQueue}. */
export interface SharedQueueOptions {
  /** How many integers the queue can hold, 1 to 1,048,576; 1,024 if not given. */
  capacity?: number;
}

const schema = z.strictObject({ capacity: z.int().min(1).max(1_048_576).default(1024) });

/** "epSQ" */
const MAGIC = 0x65_70_53_51;

const MAGIC_WORD = 0;
const CAPACITY = 1;
// The words that are written most stand on cache lines of their own.
const HEAD = 16;
const TAIL = 32;
const PUSHES = 48;
const WAITING = 49;
const HEADER_WORDS = 64;
const CELL_WORDS = 2;

/** One thread's face of a queue. */
export class SharedQueue {
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #mask: number;

  /** A new queue. The second parameter is for {@link SharedQueue.open}. */
  constructor(options: SharedQueueOptions = {}, handle?: SharedHandle) {
    const settings = parseOptions('SharedQueue', schema, options);
    this.#words = handle === undefined ? makeWords(settings.capacity) : openWords(handle);
    this.capacity = this.#words[CAPACITY] as number;
    this.#mask = ringCells(this.capacity) - 1;
  }

  /** The queue of another thread. Throws a TypeError for a handle of something else. */
  static open(handle: SharedHandle): SharedQueue {
    // Undefined would be a new queue.
    return new SharedQueue({}, handle ?? null);
  }

  /** The handle that another thread needs to open the queue: for `workerData` or `postMessage`. */
  share(): SharedHandle {
    return { memory: this.#words.buffer as SharedArrayBuffer };
  }

  /** How many integers wait in it: exact while no thread uses it, and close to it else. */
  get length(): number {
    const tail = Atomics.load(this.#words, TAIL);
    const depth = (tail - Atomics.load(this.#words, HEAD)) | 0;
    return Math.min(Math.max(depth, 0), this.capacity);
  }

  /** Append a 32-bit integer and wake a thread that waits. False, and nothing is done, if it is full. */
  push(value: number): boolean {
    checkInt('value', value);
    const words = this.#words;
    for (;;) {
      const position = Atomics.load(words, TAIL);
      if (((position - Atomics.load(words, HEAD)) | 0) >= this.capacity) return false;
      const cell = this.#cellOf(position);
      const round = (Atomics.load(words, cell) - position) | 0;
      // A thread that has claimed the cell a whole ring ago has still to read it.
      if (round < 0) return false;
      if (round !== 0) continue;
      if (Atomics.compareExchange(words, TAIL, position, (position + 1) | 0) !== position) continue;
      words[cell + 1] = value;
      Atomics.store(words, cell, (position + 1) | 0);
      Atomics.add(words, PUSHES, 1);
      if (Atomics.load(words, WAITING) > 0) Atomics.notify(words, PUSHES, 1);
      return true;
    }
  }

  /** Take the first integer, or undefined if there is none. Does not wait. */
  shift(): number | undefined {
    const words = this.#words;
    for (;;) {
      const position = Atomics.load(words, HEAD);
      const cell = this.#cellOf(position);
      const next = (position + 1) | 0;
      const round = (Atomics.load(words, cell) - next) | 0;
      if (round < 0) return undefined;
      if (round !== 0) continue;
      if (Atomics.compareExchange(words, HEAD, position, next) !== position) continue;
      const value = words[cell + 1] as number;
      Atomics.store(words, cell, (next + this.#mask) | 0);
      return value;
    }
  }

  /**
   * As `shift`, and wait for one if there is none: for 500 ms at most, which is the default. Throws
   * ERR_MAIN_THREAD where it would block the main thread.
   */
  take(options: BoundedWaitOptions = {}): number | undefined {
    const timeoutMs = timeoutOf('SharedQueue.take', options);
    const first = this.shift();
    if (first !== undefined || timeoutMs === 0) return first;
    expectMayWait('SharedQueue.take');
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const pushes = Atomics.load(this.#words, PUSHES);
      const value = this.shift();
      const leftMs = deadline - performance.now();
      if (value !== undefined || leftMs <= 0) return value;
      Atomics.add(this.#words, WAITING, 1);
      Atomics.wait(this.#words, PUSHES, pushes, leftMs);
      Atomics.sub(this.#words, WAITING, 1);
    }
  }

  #cellOf(position: number): number {
    return HEADER_WORDS + (position & this.#mask) * CELL_WORDS;
  }
}

/**
 * A power of two, so that a position may wrap round at 32 bits; and twice the capacity, so that a thread
 * that is slow to read its cell does not make the queue look full.
 */
function ringCells(capacity: number): number {
  return 2 ** (33 - Math.clz32(capacity - 1));
}

function wordsFor(capacity: number): number {
  return HEADER_WORDS + ringCells(capacity) * CELL_WORDS;
}

function makeWords(capacity: number): Int32Array {
  const words = new Int32Array(new SharedArrayBuffer(wordsFor(capacity) * 4));
  words[MAGIC_WORD] = MAGIC;
  words[CAPACITY] = capacity;
  for (let cell = 0; cell < ringCells(capacity); cell += 1) {
    words[HEADER_WORDS + cell * CELL_WORDS] = cell;
  }
  return words;
}

function openWords(handle: SharedHandle): Int32Array {
  const words = wordsOfHandle('SharedQueue', handle, MAGIC, HEADER_WORDS);
  const capacity = words[CAPACITY] as number;
  if (capacity < 1 || words.length !== wordsFor(capacity)) {
    throw wrongHandle('SharedQueue', words.buffer as SharedArrayBuffer);
  }
  return words;
}
