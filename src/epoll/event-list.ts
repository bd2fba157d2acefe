/**
 * The events of one wait, in the memory the kernel wrote them to.
 *
 * The accessors read the array and allocate nothing; that is what loops are built on. Iteration makes
 * one small object an event, which may be kept. The list is overwritten by the next wait that uses
 * it.
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

/** One event as iteration shows it. */
export interface ReadyEvent {
  /** `data.fd`: the fd, unless `add` was given data of its own. */
  readonly fd: number;
  /** The mask of what is ready: EPOLLIN, EPOLLHUP and so on, unsigned. */
  readonly events: number;
}

/** A reusable array of `struct epoll_event`. */
export class EventList implements Iterable<ReadyEvent> {
  /** How many events one wait can report. */
  readonly capacity: number;
  /** The memory handed to the kernel. */
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

  /** Set by whoever waited; an {@link Epoll} does it for you. */
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
   * `data.u64` of event `index`, unsigned: what `add` was given as a bigint. Makes a bigint each
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
