/**
 * The events of one wait, in the memory to which the kernel wrote them.
 *
 * The accessors read the array and allocate nothing; loops use them. Iteration makes one small
 * object per event, which may be kept. The next wait that uses the list overwrites it.
 */

import { checkInteger } from '../base/check';
import {
  createEventBuffer,
  EVENT_DATA_HIGH_WORD,
  EVENT_DATA_LOW_WORD,
  EVENT_MASK_WORD,
  EVENT_WORDS,
  MAX_EVENTS,
} from '../sys/abi';

const HALF_BITS = 32n;

/** One event of an iteration. */
export interface ReadyEvent {
  /** `data.fd`: the fd, unless `add` was given data of its own. */
  readonly fd: number;
  /** The ready mask: EPOLLIN, EPOLLHUP and so on, unsigned. */
  readonly events: number;
}

/** A reusable array of `struct epoll_event`. */
export class EventList implements Iterable<ReadyEvent> {
  /** How many events one wait can report. */
  readonly capacity: number;
  /** The memory that the kernel writes to. */
  readonly words: Uint32Array;
  #length = 0;

  /** Room for `capacity` events, 1 to 65,535. */
  constructor(capacity = 256) {
    checkInteger('capacity', capacity, 1, MAX_EVENTS);
    this.capacity = capacity;
    this.words = createEventBuffer(capacity);
  }

  /** How many events the last wait reported. */
  get length(): number {
    return this.#length;
  }

  /** For the code that waited; an {@link Epoll} sets it itself. */
  set length(value: number) {
    checkInteger('length', value, 0, this.capacity);
    this.#length = value;
  }

  /** The mask of event `index`, unsigned. */
  events(index: number): number {
    this.#check(index);
    return this.words[index * EVENT_WORDS + EVENT_MASK_WORD] as number;
  }

  /** `data.fd` of event `index`: the fd, unless `add` was given data of its own. */
  fd(index: number): number {
    return this.low(index) | 0;
  }

  /** The low half of `data.u64` of event `index`: the fd, unless `add` was given other data. */
  low(index: number): number {
    this.#check(index);
    return this.words[index * EVENT_WORDS + EVENT_DATA_LOW_WORD] as number;
  }

  /** The high half of `data.u64` of event `index`: 0, unless `add` was given other data. */
  high(index: number): number {
    this.#check(index);
    return this.words[index * EVENT_WORDS + EVENT_DATA_HIGH_WORD] as number;
  }

  /**
   * `data.u64` of event `index`, unsigned: the bigint that `add` was given. Makes a bigint each
   * time; {@link low} and {@link high} are the same without one.
   */
  data64(index: number): bigint {
    return (BigInt(this.high(index)) << HALF_BITS) | BigInt(this.low(index));
  }

  #check(index: number): void {
    if (typeof index !== 'number' || index >>> 0 !== index || index >= this.capacity) {
      checkInteger('index', index, 0, this.capacity - 1);
    }
  }

  /** Iterates over the events: `for (const { fd, events } of epoll.wait())`. */
  *[Symbol.iterator](): Generator<ReadyEvent> {
    for (let index = 0; index < this.#length; index += 1) {
      yield { fd: this.fd(index), events: this.events(index) };
    }
  }
}
