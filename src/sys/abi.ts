/**
 * The memory layout of the structures the kernel reads and writes, declared once to koffi.
 *
 * Nothing here is a guessed number: sizes and offsets are asked of koffi's own types, so that
 * `epoll_event` is packed (12 bytes) on x86 and naturally aligned (16 bytes) elsewhere, exactly as
 * `<sys/epoll.h>` has it. The types are anonymous because koffi's type names are global per thread
 * and a second declaration (a second copy of this package, a test runner) would throw.
 */
import './platform';
import koffi from 'koffi';
import { checkInteger } from './check';

/** `typedef union epoll_data { void *ptr; int fd; uint32_t u32; uint64_t u64; } epoll_data_t;` */
export const epollData = koffi.union({
  ptr: 'void *',
  fd: 'int',
  u32: 'uint32_t',
  u64: 'uint64_t',
});

const isX86 = process.arch === 'x64' || process.arch === 'ia32';
const fields = { events: 'uint32_t', data: epollData };

/** `struct epoll_event { uint32_t events; epoll_data_t data; }`, with `__EPOLL_PACKED` on x86. */
export const epollEvent = isX86 ? koffi.pack(fields) : koffi.struct(fields);

/** `struct timespec { time_t tv_sec; long tv_nsec; }` */
export const timespec = koffi.struct({ tv_sec: 'long', tv_nsec: 'long' });

const WORD_BYTES = Uint32Array.BYTES_PER_ELEMENT;

/** Bytes of one `struct epoll_event`. */
export const EVENT_BYTES: number = koffi.sizeof(epollEvent);
/** 32-bit words of one `struct epoll_event`: the stride of an event array. */
export const EVENT_WORDS: number = EVENT_BYTES / WORD_BYTES;
/** Word offset of `events`. */
export const EVENT_MASK_WORD: number = koffi.offsetof(epollEvent, 'events') / WORD_BYTES;
/** Word offset of the low half of `data.u64`; also `data.fd` and `data.u32`. */
export const EVENT_DATA_LOW_WORD: number = koffi.offsetof(epollEvent, 'data') / WORD_BYTES;
/** Word offset of the high half of `data.u64`. Every machine koffi supports is little-endian. */
export const EVENT_DATA_HIGH_WORD: number = EVENT_DATA_LOW_WORD + 1;

/** Bytes of `struct timespec`. */
export const TIMESPEC_BYTES: number = koffi.sizeof(timespec);
/** Byte offset of `tv_nsec`. */
export const TIMESPEC_NANOSECONDS_BYTE: number = koffi.offsetof(timespec, 'tv_nsec');

/** The most events one wait may ask for; the kernel's own limit is INT_MAX / sizeof(event). */
export const MAX_EVENTS = 0xffff;

/** An array of `count` events for {@link epollWait}, or one event for {@link epollCtl}. */
export function createEventBuffer(count: number): Uint32Array {
  checkInteger('count', count, 1, MAX_EVENTS);
  return new Uint32Array(count * EVENT_WORDS);
}
