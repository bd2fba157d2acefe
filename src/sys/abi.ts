/**
 * The memory layout of the structures that the kernel reads and writes, declared once to koffi.
 *
 * No number here is guessed: koffi reports sizes and offsets of its own types. So `epoll_event` is
 * packed (12 bytes) on x86 and naturally aligned (16 bytes) elsewhere, exactly as in
 * `<sys/epoll.h>`. The types are anonymous because koffi's type names are global per thread, and a
 * second declaration (a second copy of this package, a test runner) would throw.
 */
import './platform';
import { checkInteger } from '../base/check';
import { offsetOf, packedStruct, sizeOf, struct, union } from './libc';

/** `typedef union epoll_data { void *ptr; int fd; uint32_t u32; uint64_t u64; } epoll_data_t;` */
const epollData = union({
  ptr: 'void *',
  fd: 'int',
  u32: 'uint32_t',
  u64: 'uint64_t',
});

const isX86 = process.arch === 'x64' || process.arch === 'ia32';
const fields = { events: 'uint32_t', data: epollData };

/** `struct epoll_event { uint32_t events; epoll_data_t data; }`, with `__EPOLL_PACKED` on x86. @internal */
export const epollEvent = isX86 ? packedStruct(fields) : struct(fields);

/** `struct timespec { time_t tv_sec; long tv_nsec; }` @internal */
export const timespec = struct({ tv_sec: 'long', tv_nsec: 'long' });

/** `struct timeval { time_t tv_sec; suseconds_t tv_usec; }` @internal */
export const timeval = struct({ tv_sec: 'long', tv_usec: 'long' });

/** `struct pollfd { int fd; short events; short revents; }` @internal */
export const pollfd = struct({ fd: 'int', events: 'short', revents: 'short' });

/** `struct epoll_params` of `<linux/eventpoll.h>` */
const epollParams = struct({
  busy_poll_usecs: 'uint32_t',
  busy_poll_budget: 'uint16_t',
  prefer_busy_poll: 'uint8_t',
  __pad: 'uint8_t',
});

/** `struct rlimit { rlim_t rlim_cur; rlim_t rlim_max; }`, 64 bits wide everywhere. */
const rlimit = struct({ rlim_cur: 'uint64_t', rlim_max: 'uint64_t' });

const WORD_BYTES = Uint32Array.BYTES_PER_ELEMENT;

/** Bytes of one `struct epoll_event`. */
export const EVENT_BYTES: number = sizeOf(epollEvent);
/** 32-bit words of one `struct epoll_event`: the stride of an event array. */
export const EVENT_WORDS: number = EVENT_BYTES / WORD_BYTES;
/** Word offset of `events`. */
export const EVENT_MASK_WORD: number = offsetOf(epollEvent, 'events') / WORD_BYTES;
/** Word offset of the low half of `data.u64`; also `data.fd` and `data.u32`. */
export const EVENT_DATA_LOW_WORD: number = offsetOf(epollEvent, 'data') / WORD_BYTES;
/** Word offset of the high half of `data.u64`. Every machine koffi supports is little-endian. */
export const EVENT_DATA_HIGH_WORD: number = EVENT_DATA_LOW_WORD + 1;

/** Bytes of `struct timespec`. */
export const TIMESPEC_BYTES: number = sizeOf(timespec);
/** Byte offset of `tv_nsec`. */
export const TIMESPEC_NANOSECONDS_BYTE: number = offsetOf(timespec, 'tv_nsec');

/** Bytes of `struct timeval`. */
export const TIMEVAL_BYTES: number = sizeOf(timeval);
/** Byte offset of `tv_usec`. */
export const TIMEVAL_MICROSECONDS_BYTE: number = offsetOf(timeval, 'tv_usec');

/** Bytes of one `struct pollfd`. */
export const POLLFD_BYTES: number = sizeOf(pollfd);
/** Byte offset of `events`. */
export const POLLFD_EVENTS_BYTE: number = offsetOf(pollfd, 'events');
/** Byte offset of `revents`. */
export const POLLFD_REVENTS_BYTE: number = offsetOf(pollfd, 'revents');

/** Bytes of `struct epoll_params`. */
export const EPOLL_PARAMS_BYTES: number = sizeOf(epollParams);
/** Byte offset of `busy_poll_budget`. */
export const EPOLL_PARAMS_BUDGET_BYTE: number = offsetOf(epollParams, 'busy_poll_budget');
/** Byte offset of `prefer_busy_poll`. */
export const EPOLL_PARAMS_PREFER_BYTE: number = offsetOf(epollParams, 'prefer_busy_poll');

/** Bytes of `struct rlimit`. */
export const RLIMIT_BYTES: number = sizeOf(rlimit);
/** Byte offset of `rlim_max`. */
export const RLIMIT_HARD_BYTE: number = offsetOf(rlimit, 'rlim_max');

/** Bytes of `sigset_t`, in glibc and in musl: room for 1,024 signals, of which there are 64. */
export const SIGNAL_SET_BYTES = 128;
/** Bytes of `fd_set`: one bit for each fd below FD_SETSIZE. */
export const FD_SET_BYTES = 128;

/** The most events one wait may ask for; the kernel's own limit is INT_MAX / sizeof(event). */
export const MAX_EVENTS = 0xffff;

/** An array of `count` events for {@link epollWait}, or one event for {@link epollCtl}. */
export function createEventBuffer(count: number): Uint32Array {
  checkInteger('count', count, 1, MAX_EVENTS);
  return new Uint32Array(count * EVENT_WORDS);
}
