/**
 * Signals as data: signalfd(2), the mask of a thread, and the calls that send. Arguments are checked,
 * results are `n >= 0` or `-errno`.
 *
 * A set of signals is the bytes of a `sigset_t`, as {@link encodeSignalSet} makes them.
 */

import { checkInt, checkInteger, checkObject, checkRoom, dataOf, INT32_MAX } from '../base/check';
import { TIMESPEC_BYTES } from './abi';
import { array, declare, declareOptional, offsetOf, result, sizeOf, struct } from './libc';
import { MAX_SIGNAL, signalName } from './signal-name';
import { encodeSignalSet } from './signal-set';
import { encodeTime } from './timer';
import type { Timespec } from './timespec';

const native = {
  signalfd: declare('int', 'signalfd', ['int', 'void *', 'int']),
  pthread_sigmask: declare('int', 'pthread_sigmask', ['int', 'void *', 'void *']),
  sigtimedwait: declare('int', 'sigtimedwait', ['void *', 'void *', 'void *']),
  // The third parameter is `union sigval`, passed as the word it is.
  sigqueue: declare('int', 'sigqueue', ['int', 'int', 'intptr_t']),
  tgkill: declareOptional('int', 'tgkill', ['int', 'int', 'int']),
};

/** `struct signalfd_siginfo`, with the kernel's names. */
const signalfdSiginfo = struct({
  ssi_signo: 'uint32_t',
  ssi_errno: 'int32_t',
  ssi_code: 'int32_t',
  ssi_pid: 'uint32_t',
  ssi_uid: 'uint32_t',
  ssi_fd: 'int32_t',
  ssi_tid: 'uint32_t',
  ssi_band: 'uint32_t',
  ssi_overrun: 'uint32_t',
  ssi_trapno: 'uint32_t',
  ssi_status: 'int32_t',
  ssi_int: 'int32_t',
  ssi_ptr: 'uint64_t',
  ssi_utime: 'uint64_t',
  ssi_stime: 'uint64_t',
  ssi_addr: 'uint64_t',
  ssi_addr_lsb: 'uint16_t',
  pad2: 'uint16_t',
  ssi_syscall: 'int32_t',
  ssi_call_addr: 'uint64_t',
  ssi_arch: 'uint32_t',
  pad: array('uint8_t', 28),
});

const SIGNAL_SET_BYTES = encodeSignalSet([]).byteLength;

/** Bytes of one `struct signalfd_siginfo`: the size of one read of a signalfd. */
export const SIGNALFD_SIGINFO_BYTES: number = sizeOf(signalfdSiginfo);

const byteOf = (name: string): number => offsetOf(signalfdSiginfo, name);
/** Byte offsets of the fields of `struct signalfd_siginfo` that {@link decodeSignalInfo} reads. */
export const SIGNALFD_SIGINFO_OFFSETS = {
  ssi_signo: byteOf('ssi_signo'),
  ssi_errno: byteOf('ssi_errno'),
  ssi_code: byteOf('ssi_code'),
  ssi_pid: byteOf('ssi_pid'),
  ssi_uid: byteOf('ssi_uid'),
  ssi_fd: byteOf('ssi_fd'),
  ssi_tid: byteOf('ssi_tid'),
  ssi_band: byteOf('ssi_band'),
  ssi_overrun: byteOf('ssi_overrun'),
  ssi_status: byteOf('ssi_status'),
  ssi_int: byteOf('ssi_int'),
  ssi_utime: byteOf('ssi_utime'),
  ssi_stime: byteOf('ssi_stime'),
} as const;

/**
 * The data of a signal. The way it was sent decides which fields from `status` on have a meaning;
 * the others are 0. See sigaction(2), "The siginfo_t argument".
 */
export interface SignalInfo {
  /** "SIGUSR1"; null for a real-time signal. */
  signal: NodeJS.Signals | null;
  number: number;
  /**
   * The kind of sender: 0 kill(2), -1 sigqueue(3), -2 a timer, -6 tgkill(2), 0x80 the kernel,
   * CLD_...
   */
  code: number;
  errno: number;
  /** The process that sent it, and its user; of SIGCHLD, the child. */
  pid: number;
  uid: number;
  /** The exit code or signal of the child, of SIGCHLD. */
  status: number;
  /** The integer given to sigqueue(3). */
  value: number;
  /** The timer, and how often it fired beyond once, of timer_create(2). */
  timer: number;
  overrun: number;
  /** Of SIGIO: the fd, and the mask of its readiness. */
  fd: number;
  band: number;
  /** CPU time of the child in clock ticks, of SIGCHLD. */
  userTime: number;
  systemTime: number;
}

const timespecBytes = new Uint8Array(TIMESPEC_BYTES);
const timespecView = new DataView(timespecBytes.buffer);

/**
 * `int signalfd(int fd, const sigset_t *mask, int flags)`
 *
 * With `fd` -1, returns a new fd that is readable while one of `set` is pending for the thread that
 * looks, or for the process; with a signalfd, replaces its set. The signals must be blocked, or they
 * are delivered. Returns -EBADF, -EINVAL, -EMFILE, -ENFILE, -ENODEV, -ENOMEM. See signalfd(2).
 */
export function signalfd(fd: number, set: Uint8Array, flags: number): number {
  checkInteger('fd', fd, -1, INT32_MAX);
  checkRoom(set, SIGNAL_SET_BYTES, 'set');
  checkInt('flags', flags);
  return result(native.signalfd(fd, set, flags));
}

/**
 * `int pthread_sigmask(int how, const sigset_t *set, sigset_t *oldset)`
 *
 * SIG_BLOCK, SIG_UNBLOCK or SIG_SETMASK the signals of `set` in the calling thread, and put its
 * former mask into `former` if one is given; a `set` of null changes nothing. Returns 0, or -EINVAL.
 * See pthread_sigmask(3).
 */
export function pthreadSigmask(
  how: number,
  set: Uint8Array | null,
  former: Uint8Array | null = null,
): number {
  checkInt('how', how);
  if (set !== null) checkRoom(set, SIGNAL_SET_BYTES, 'set');
  if (former !== null) checkRoom(former, SIGNAL_SET_BYTES, 'former');
  // The pthread functions return the error itself, and leave errno alone.
  return 0 - native.pthread_sigmask(how, set, former);
}

/**
 * `int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)`
 *
 * Takes one of the blocked signals of `set` that is pending for this thread or for the process.
 * Returns its number, or -EAGAIN at the timeout, -EINTR, -EINVAL. Blocks this thread for up to
 * `timeout`. See sigtimedwait(2).
 */
export function sigtimedwait(set: Uint8Array, timeout: Timespec): number {
  // First: a getter of the caller's object could shrink a buffer that was checked before.
  checkObject('timeout', timeout);
  const { seconds, nanoseconds } = timeout;
  checkInteger('timeout.seconds', seconds, 0, INT32_MAX);
  encodeTime(timespecView, 0, { seconds, nanoseconds }, 'timeout');
  checkRoom(set, SIGNAL_SET_BYTES, 'set');
  return result(native.sigtimedwait(set, null, timespecBytes));
}

/**
 * `int sigqueue(pid_t pid, int sig, const union sigval value)`
 *
 * Sends `signal` with an integer to a process; 0 only asks whether that is allowed. Returns 0, or
 * -EAGAIN when too many are queued, -EINVAL, -EPERM, -ESRCH. See sigqueue(3).
 */
export function sigqueue(pid: number, signal: number, value: number): number {
  checkInteger('pid', pid, 1, INT32_MAX);
  checkInteger('signal', signal, 0, MAX_SIGNAL);
  checkInt('value', value);
  return result(native.sigqueue(pid, signal, value));
}

/**
 * `int tgkill(pid_t tgid, pid_t tid, int sig)`
 *
 * Sends `signal` to one thread of a process; 0 only asks whether that is allowed. Returns 0, or
 * -EINVAL, -EPERM, -ESRCH; -ENOSYS before glibc 2.30. See tgkill(2).
 */
export function tgkill(pid: number, tid: number, signal: number): number {
  checkInteger('pid', pid, 1, INT32_MAX);
  checkInteger('tid', tid, 1, INT32_MAX);
  checkInteger('signal', signal, 0, MAX_SIGNAL);
  return result(native.tgkill(pid, tid, signal));
}

/**
 * Decode a read of a signalfd in `bytes`: one `struct signalfd_siginfo`. Throws a RangeError if
 * there are fewer bytes than that.
 */
export function decodeSignalInfo(bytes: Uint8Array): SignalInfo {
  checkRoom(bytes, SIGNALFD_SIGINFO_BYTES, 'bytes');
  const view = dataOf(bytes);
  const at = SIGNALFD_SIGINFO_OFFSETS;
  const number = view.getUint32(at.ssi_signo, true);
  return {
    signal: signalName(number),
    number,
    code: view.getInt32(at.ssi_code, true),
    errno: view.getInt32(at.ssi_errno, true),
    pid: view.getUint32(at.ssi_pid, true),
    uid: view.getUint32(at.ssi_uid, true),
    status: view.getInt32(at.ssi_status, true),
    value: view.getInt32(at.ssi_int, true),
    timer: view.getUint32(at.ssi_tid, true),
    overrun: view.getUint32(at.ssi_overrun, true),
    fd: view.getInt32(at.ssi_fd, true),
    band: view.getUint32(at.ssi_band, true),
    userTime: Number(view.getBigUint64(at.ssi_utime, true)),
    systemTime: Number(view.getBigUint64(at.ssi_stime, true)),
  };
}
