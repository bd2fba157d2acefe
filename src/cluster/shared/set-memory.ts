/**
 * The shared memory of a {@link SharedSet}: a header, the seats of its threads, the table of its slots.
 * Made by one thread, laid out again by each that gets its handle.
 */
import { Epoll } from '../../epoll/epoll';
import { EFD_CLOEXEC, EFD_NONBLOCK, EPOLL_CLOEXEC, EPOLLIN } from '../../sys/constants';
import { epollCreate1 } from '../../sys/epoll';
import { unwrap } from '../../sys/errno';
import { close, eventfd } from '../../sys/io';
import { sharedClosed } from '../errors';
import { type SharedHandle, wordsOfHandle, wrongHandle } from './handle';
import { SlotTable, type TableShape, tableBytes } from './slot-table';
import { MAX_SLOTS } from './slot-word';
import { SEAT_WORDS, ThreadSeats } from './thread-seats';

/** "epSS" */
const MAGIC = 0x65_70_53_53;

/** Words of the header. */
const MAGIC_WORD = 0;
const SLOTS = 1;
const RECORD_BYTES = 2;
const NEXT = 3;
const EPOLL_FD = 4;
const WAKER_FD = 5;
const IS_ONESHOT = 6;
/** OPEN, CLOSING or CLOSED. */
export const LIFE = 7;
/** 1 after `stop`. */
export const STOPPED = 8;
/** Events that were dropped: of a slot that was freed, or that is in another thread's hands. */
export const DROPPED = 9;
const HEADER_WORDS = 16;

/** Values of LIFE: in use; the last thread looks whether it is the last; all fds are closed. */
export const OPEN = 1;
/** See OPEN. */
export const CLOSING = 2;
/** See OPEN. */
export const CLOSED = 3;

/** A value of the high half of an event's data: the low half is the number of a slot. */
export const SLOT = 0;
/** The seat of a thread that has ended. */
export const SEAT = 1;
/** Nothing: `stop` was called. */
const WAKER = 2;

const SEATS_AT = HEADER_WORDS * 4;
const TABLE_AT = SEATS_AT + SEAT_WORDS * 4;

/** One thread's view of the memory. */
export class SetMemory {
  readonly handle: SharedHandle;
  readonly header: Int32Array;
  readonly seats: ThreadSeats;
  readonly table: SlotTable;
  readonly slots: number;
  readonly recordBytes: number;

  /** Of a handle that was checked. */
  private constructor(memory: SharedArrayBuffer) {
    this.handle = { memory };
    this.header = new Int32Array(memory, 0, HEADER_WORDS);
    this.slots = this.header[SLOTS] as number;
    this.recordBytes = this.header[RECORD_BYTES] as number;
    this.seats = new ThreadSeats(new Int32Array(memory, SEATS_AT, SEAT_WORDS));
    const next = this.header.subarray(NEXT, NEXT + 1);
    this.table = new SlotTable(memory, TABLE_AT, this, next);
  }

  /** Of a new set, with its fds. They belong to no thread: the one that makes them may end early. */
  static create(shape: TableShape, oneshot: boolean): SetMemory {
    const memory = SetMemory.#create(shape);
    const { header } = memory;
    header[IS_ONESHOT] = Number(oneshot);
    header[EPOLL_FD] = unwrap(epollCreate1(EPOLL_CLOEXEC), 'epoll_create1');
    try {
      header[WAKER_FD] = unwrap(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd');
      Epoll.fromFd(memory.epollFd).add(memory.wakerFd, EPOLLIN, { low: 0, high: WAKER });
    } catch (error) {
      if (memory.wakerFd > 0) close(memory.wakerFd);
      close(memory.epollFd);
      throw error;
    }
    Atomics.store(header, LIFE, OPEN);
    return memory;
  }

  /** Throws ERR_SHARED_CLOSED when the last thread has closed the set. */
  expectLife(): void {
    if (Atomics.load(this.header, LIFE) !== OPEN) throw sharedClosed('SharedSet');
  }

  /** The epoll fd. */
  get epollFd(): number {
    return this.header[EPOLL_FD] as number;
  }

  /** The eventfd that ends all waits. */
  get wakerFd(): number {
    return this.header[WAKER_FD] as number;
  }

  /** Whether each fd is one-shot. */
  get oneshot(): boolean {
    return this.header[IS_ONESHOT] === 1;
  }

  static #create(shape: TableShape): SetMemory {
    const memory = new SharedArrayBuffer(TABLE_AT + tableBytes(shape));
    const header = new Int32Array(memory, 0, HEADER_WORDS);
    header[MAGIC_WORD] = MAGIC;
    header[SLOTS] = shape.slots;
    header[RECORD_BYTES] = shape.recordBytes;
    return new SetMemory(memory);
  }

  /** Memory of another thread. Throws a TypeError for what is no handle of a set. */
  static of(handle: unknown): SetMemory {
    const words = wordsOfHandle('SharedSet', handle, MAGIC, HEADER_WORDS);
    const memory = words.buffer as SharedArrayBuffer;
    const shape = { slots: words[SLOTS] as number, recordBytes: words[RECORD_BYTES] as number };
    const isShape = shape.slots >= 1 && shape.slots <= MAX_SLOTS && shape.recordBytes >= 0;
    if (!isShape || memory.byteLength !== TABLE_AT + tableBytes(shape)) {
      throw wrongHandle('SharedSet', memory);
    }
    const set = new SetMemory(memory);
    set.expectLife();
    return set;
  }
}
