/**
 * Processes as fds: pidfd_open(2), pidfd_send_signal(2), and waitid(2) on a pidfd. Arguments are
 * checked, results are `n >= 0` or `-errno`.
 *
 * The pidfd calls go through syscall(2): glibc has functions for them only since 2.36, and the
 * numbers are the same on all machines.
 */
import {
  checkFd,
  checkInt,
  checkInteger,
  checkMask,
  checkRoom,
  checkUint,
  dataOf,
  INT32_MAX,
} from '../base/check';
import { SYS_pidfd_open, SYS_pidfd_send_signal } from './constants';
import { errno } from './errno';
import { ioctl } from './ioctl';
import { array, declare, offsetOf, result, sizeOf, struct, union } from './libc';
import { MAX_SIGNAL } from './signal-name';

const native = {
  syscall: declare('int', 'syscall', ['long', '...']),
  waitid: declare('int', 'waitid', ['int', 'uint32_t', 'void *', 'int']),
};

/** The part of `siginfo_t` that waitid(2) fills; the pointer gives the union its alignment. */
const childInfo = struct({ si_pid: 'int', si_uid: 'uint32_t', si_status: 'int' });
const siginfo = struct({
  si_signo: 'int',
  si_errno: 'int',
  si_code: 'int',
  sifields: union({ child: childInfo, pointer: 'void *' }),
});

/** Bytes of `siginfo_t` (SI_MAX_SIZE), which the kernel may fill whole. */
export const SIGINFO_BYTES = 128;

const CHILD_BYTE = offsetOf(siginfo, 'sifields');
/** Byte offsets of the fields of `siginfo_t` that {@link decodeChildInfo} reads. */
export const SIGINFO_OFFSETS = {
  si_code: offsetOf(siginfo, 'si_code'),
  si_pid: CHILD_BYTE + offsetOf(childInfo, 'si_pid'),
  si_uid: CHILD_BYTE + offsetOf(childInfo, 'si_uid'),
  si_status: CHILD_BYTE + offsetOf(childInfo, 'si_status'),
} as const;

/** `struct pidfd_info` of `<linux/pidfd.h>`, in its first published size. */
const pidfdInfo = struct({
  mask: 'uint64_t',
  cgroupid: 'uint64_t',
  pid: 'uint32_t',
  tgid: 'uint32_t',
  ppid: 'uint32_t',
  ids: array('uint32_t', 8),
  exit_code: 'int32_t',
});
const PIDFD_INFO_BYTES = sizeOf(pidfdInfo);
const PIDFD_INFO_EXIT_CODE_BYTE = offsetOf(pidfdInfo, 'exit_code');
const PIDFD_INFO_EXIT = 1 << 3;
/** `_IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)` */
const PIDFD_GET_INFO = (0xc000_ff0b | (PIDFD_INFO_BYTES << 16)) >>> 0;

const pidfdInfoView = new DataView(new ArrayBuffer(PIDFD_INFO_BYTES));
const pidfdInfoBytes = new Uint8Array(pidfdInfoView.buffer);

/** The state of a child, from waitid(2). */
export interface ChildInfo {
  /** 0 if no child was in such a state (WNOHANG). */
  pid: number;
  uid: number;
  /** CLD_EXITED, CLD_KILLED or CLD_DUMPED. */
  code: number;
  /** The exit code, or the signal. */
  status: number;
}

/**
 * `int pidfd_open(pid_t pid, unsigned int flags)`
 *
 * Returns a new fd, close-on-exec, that is readable once the process has ended; or -EINVAL or -ENOENT
 * (`pid` is a thread that does not lead its process), -EMFILE, -ENFILE, -ENOSYS before Linux 5.3,
 * -ESRCH.
 * See pidfd_open(2).
 */
export function pidfdOpen(pid: number, flags: number): number {
  checkInteger('pid', pid, 1, INT32_MAX);
  const mask = checkMask('flags', flags);
  return result(native.syscall(SYS_pidfd_open, 'int', pid, 'unsigned int', mask));
}

/**
 * `int pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned int flags)`
 *
 * Sends `signal` to the process of the pidfd, never to another that has its number now; 0 only asks
 * whether that is allowed. Returns 0, or -EBADF, -EINVAL, -ENOSYS before Linux 5.1, -EPERM; -ESRCH
 * once the process has ended. See pidfd_send_signal(2).
 */
export function pidfdSendSignal(pidfd: number, signal: number, flags: number): number {
  checkFd(pidfd, 'pidfd');
  checkInteger('signal', signal, 0, MAX_SIGNAL);
  const mask = checkMask('flags', flags);
  return result(
    native.syscall(
      SYS_pidfd_send_signal,
      'int',
      pidfd,
      'int',
      signal,
      'void *',
      null,
      'unsigned int',
      mask,
    ),
  );
}

/**
 * `int waitid(idtype_t idtype, id_t id, siginfo_t *infop, int options)`
 *
 * Puts the state of a child into `info`, of {@link SIGINFO_BYTES}. Returns 0, or -ECHILD (not our
 * child, or waited for already), -EINTR, -EINVAL. Blocks unless `options` has WNOHANG; reaps the
 * child unless it has WNOWAIT. See waitid(2).
 */
export function waitid(type: number, id: number, info: Uint8Array, options: number): number {
  checkInt('type', type);
  checkUint('id', id);
  checkRoom(info, SIGINFO_BYTES, 'info');
  checkInt('options', options);
  return result(native.waitid(type, id, info, options));
}

/**
 * `int ioctl(int pidfd, PIDFD_GET_INFO, struct pidfd_info *info)` with PIDFD_INFO_EXIT
 *
 * Returns how the process ended, packed as wait(2) does, once its parent has reaped it, also of a
 * process that is not our child; -ENODATA while that is not known, -ENOTTY for another kind of fd,
 * or another -errno before Linux 6.15. See pidfd_open(2).
 */
export function pidfdExitStatus(pidfd: number): number {
  checkFd(pidfd, 'pidfd');
  pidfdInfoBytes.fill(0);
  pidfdInfoView.setUint32(0, PIDFD_INFO_EXIT, true);
  const outcome = ioctl(pidfd, PIDFD_GET_INFO, pidfdInfoBytes);
  if (outcome < 0) return outcome;
  const isKnown = (pidfdInfoView.getUint32(0, true) & PIDFD_INFO_EXIT) !== 0;
  return isKnown ? pidfdInfoView.getInt32(PIDFD_INFO_EXIT_CODE_BYTE, true) : -errno.ENODATA;
}

/** Decode the result of {@link waitid} in `info`. */
export function decodeChildInfo(info: Uint8Array): ChildInfo {
  checkRoom(info, SIGINFO_BYTES, 'info');
  const view = dataOf(info);
  return {
    pid: view.getInt32(SIGINFO_OFFSETS.si_pid, true),
    uid: view.getUint32(SIGINFO_OFFSETS.si_uid, true),
    code: view.getInt32(SIGINFO_OFFSETS.si_code, true),
    status: view.getInt32(SIGINFO_OFFSETS.si_status, true),
  };
}
