/**
 * The fds of a loop that are watched with EPOLLEXCLUSIVE.
 *
 * The kernel wakes one waiter of those that share such an fd, and it counts a set as a waiter only while
 * a thread sleeps in epoll_wait(2) on that very set. A loop that does not block its thread has an epoll
 * set of its own *inside* the set on which Node's loop sleeps, and no thread ever sleeps on the inner one:
 * there, EPOLLEXCLUSIVE would wake every thread. So these fds are members of Node's own set, and the loop
 * asks poll(2) which of them are ready when Node's loop has come round.
 */
import type { EventData } from '../epoll/epoll';
import type { EventList } from '../epoll/event-list';
import {
  EVENT_DATA_HIGH_WORD,
  EVENT_DATA_LOW_WORD,
  EVENT_MASK_WORD,
  EVENT_WORDS,
} from '../sys/abi';
import { EPOLL_CTL_ADD } from '../sys/constants';
import { PollList, poll } from '../sys/poll';
import type { Doorbell } from './doorbell';

interface DirectFd {
  readonly fd: number;
  readonly events: number;
  readonly data: EventData;
  /** Whether Node's set has it: not before the doorbell is known to work. */
  isIn: boolean;
}

/** Those of one loop; see the head of this file. */
export class DirectFds {
  readonly #doorbell: Doorbell;
  #list: DirectFd[] = [];
  #poll = new PollList(1);

  constructor(doorbell: Doorbell) {
    this.#doorbell = doorbell;
  }

  /** Throws what epoll_ctl(2) answers; then nothing has changed. */
  add(fd: number, events: number, data: EventData): void {
    const entry = { fd, events, data, isIn: false };
    if (this.#doorbell.isGood) this.#enter(entry);
    this.#list.push(entry);
    this.#fillPoll();
  }

  /** Returns whether `fd` was among them. */
  remove(fd: number): boolean {
    const entry = this.#list.find((candidate) => candidate.fd === fd);
    if (entry === undefined) return false;
    this.#list = this.#list.filter((candidate) => candidate !== entry);
    if (entry.isIn) this.#doorbell.forget(fd);
    this.#fillPoll();
    return true;
  }

  has(fd: number): boolean {
    return this.#list.some((entry) => entry.fd === fd);
  }

  /** The doorbell works by now: those that came before go into Node's set. */
  enterAll(): void {
    for (const entry of this.#list) if (!entry.isIn) this.#enter(entry);
  }

  /** Whether one is ready. Does not block. */
  get anyReady(): boolean {
    const { length } = this.#list;
    return length > 0 && poll(this.#poll.bytes, length, 0) > 0;
  }

  /** Append an event for each that is ready to `list`, as far as that has room. Returns how many. */
  appendTo(list: EventList): number {
    if (!this.anyReady) return 0;
    let count = 0;
    for (let index = 0; index < this.#list.length; index += 1) {
      const events = this.#poll.revents(index);
      if (events === 0 || list.length === list.capacity) continue;
      const { low, high } = (this.#list[index] as DirectFd).data;
      const start = list.length * EVENT_WORDS;
      list.words[start + EVENT_MASK_WORD] = events;
      list.words[start + EVENT_DATA_LOW_WORD] = low;
      list.words[start + EVENT_DATA_HIGH_WORD] = high;
      list.length += 1;
      count += 1;
    }
    return count;
  }

  close(): void {
    for (const { fd } of this.#list) this.remove(fd);
  }

  #enter(entry: DirectFd): void {
    this.#doorbell.control(EPOLL_CTL_ADD, entry.fd, entry.events);
    entry.isIn = true;
  }

  #fillPoll(): void {
    const { length } = this.#list;
    if (length > this.#poll.capacity) this.#poll = new PollList(2 * length);
    for (const [index, { fd, events }] of this.#list.entries()) {
      this.#poll.set(index, fd, events & POLL_MASK);
    }
  }
}

/** The events that epoll(7) and poll(2) have in common stand in the low half of a mask. */
const POLL_MASK = 0xffff;
