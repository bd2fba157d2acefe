/**
 * The events of one wait, in the memory the kernel wrote them to.
 *
 * Nothing is allocated per event: the accessors read the array, and iteration hands out one record
 * that is overwritten at each step. The list is overwritten by the next wait that uses it.
 */
import {
  createEventBuffer,
  EVENT_DATA_HIGH_WORD,
  EVENT_DATA_LOW_WORD,
  EVENT_MASK_WORD,
  EVENT_WORDS,
} from '../sys/abi';
import { checkInteger } from '../sys/check';
import { MAX_EVENTS } from '../sys/epoll';

/** One event as iteration shows it. Read it at once: the next step overwrites it. */
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
    return this.words[index * EVENT_WORDS + EVENT_MASK_WORD] as number;
  }

  /** The low half of `data.u64` of event `index`: the fd, unless `add` was given other data. */
  low(index: number): number {
    return this.words[index * EVENT_WORDS + EVENT_DATA_LOW_WORD] as number;
  }

  /** The high half of `data.u64` of event `index`: 0, unless `add` was given other data. */
  high(index: number): number {
    return this.words[index * EVENT_WORDS + EVENT_DATA_HIGH_WORD] as number;
  }

  /** Iterates over the events; one object for the whole loop. */
  [Symbol.iterator](): Iterator<ReadyEvent> {
    return new Cursor(this);
  }
}

/** Iterator, iteration result and event in one object. */
class Cursor implements Iterator<ReadyEvent>, ReadyEvent {
  fd = -1;
  events = 0;
  done = false;
  readonly value: ReadyEvent = this;
  readonly #list: EventList;
  #next = 0;

  constructor(list: EventList) {
    this.#list = list;
  }

  next(): IteratorResult<ReadyEvent> {
    if (this.#next >= this.#list.length) {
      this.done = true;
    } else {
      this.fd = this.#list.low(this.#next);
      this.events = this.#list.events(this.#next);
      this.#next += 1;
    }
    return this as IteratorResult<ReadyEvent>;
  }
}
