/**
 * The end of any process as an event: pidfd_open(2).
 *
 * It reaps nothing: that is for the parent of the process. A pidfd stays with its process when
 * another process gets the number; only between reading the number from some place and the
 * constructor it may change hands.
 */
import { z } from 'zod';
import { checkInteger, INT32_MAX } from '../../base/check';
import { parseOptions } from '../../base/options';
import * as constants from '../../sys/constants';
import { errno, SystemError, unwrap } from '../../sys/errno';
import {
  decodeChildInfo,
  pidfdExitStatus,
  pidfdOpen,
  pidfdSendSignal,
  SIGINFO_BYTES,
  waitid,
} from '../../sys/process';
import { signalName, signalNumber } from '../../sys/signal-name';
import { FdSource, type FdSourceOptions, fdSourceOptionFields } from '../fd-source';

const { EINTR, EINVAL, ENOENT, ESRCH } = errno;
const { CLD_EXITED, P_PIDFD, WEXITED, WNOHANG, WNOWAIT } = constants;

/** The record of a {@link PidFd} when its process has ended. */
export interface ProcessExit {
  pid: number;
  /** The exit code; null if a signal ended it, or if the kernel does not say. */
  code: number | null;
  /** The signal that ended it; null if there was none, or if the kernel does not say. */
  signal: NodeJS.Signals | null;
}

const optionsSchema = z.strictObject(fdSourceOptionFields);
const info = new Uint8Array(SIGINFO_BYTES);

/**
 * A pidfd. It emits `exit` once when the process has ended, also for a process that is not our
 * child; then the source closes by itself.
 *
 * The kernel reports how our own children ended until they are reaped (Node reaps the children of
 * `child_process`, and may be first), and since Linux 6.15 for every process that its parent has
 * reaped. Otherwise `code` and `signal` are null.
 */
export class PidFd extends FdSource<'exit', ProcessExit> {
  readonly #pid: number;
  #hasExited = false;

  /**
   * Throws a RangeError if `pid` is not a process id, a TypeError for a wrong option, and a {@link
   * SystemError}: ESRCH if there is no such process, EINVAL or ENOENT for a thread that does not
   * lead its process, ENOSYS before Linux 5.3, EMFILE or ENFILE when there are no fds left.
   */
  constructor(pid: number, options: FdSourceOptions = {}) {
    checkInteger('pid', pid, 1, INT32_MAX);
    const settings = parseOptions('PidFd', optionsSchema, options);
    super(openProcess(pid), { ...settings, event: 'exit' });
    this.#pid = pid;
  }

  /** The process, also after it has ended. */
  get pid(): number {
    return this.#pid;
  }

  /**
   * Send `signal` to the process, SIGTERM if not given, and never to another process with the same
   * number. Returns false if the process has ended. Throws a RangeError for an unknown signal, and
   * a {@link SystemError} EPERM for a process of another user.
   */
  kill(signal: number | NodeJS.Signals = 'SIGTERM'): boolean {
    const number = signalNumber(signal);
    if (this.#hasExited) return false;
    const outcome = pidfdSendSignal(this.openFd('kill'), number, 0);
    if (outcome === -ESRCH) return false;
    unwrap(outcome, 'pidfd_send_signal', { reason: `process ${this.#pid}, signal ${signal}` });
    return true;
  }

  protected override readOnce(fd: number): number {
    this.#hasExited = true;
    this.deliver({ pid: this.#pid, ...outcomeOf(fd) });
    return 0;
  }
}

function openProcess(pid: number): number {
  const fd = pidfdOpen(pid, 0);
  switch (-fd) {
    case ESRCH:
      throw new SystemError('pidfd_open', fd, { reason: `there is no process ${pid}` });
    case EINVAL:
    case ENOENT:
      throw new SystemError('pidfd_open', fd, { reason: `${pid} is a thread, not a process` });
    default:
      return unwrap(fd, 'pidfd_open');
  }
}

/** The outcome of the process, without reaping it: that is for its parent. */
function outcomeOf(fd: number): Pick<ProcessExit, 'code' | 'signal'> {
  let outcome: number;
  do outcome = waitid(P_PIDFD, fd, info, WEXITED | WNOHANG | WNOWAIT);
  while (outcome === -EINTR);
  if (outcome === 0) {
    const { pid, code, status } = decodeChildInfo(info);
    if (pid !== 0) return code === CLD_EXITED ? exited(status) : killed(status);
  }
  const status = pidfdExitStatus(fd);
  if (status < 0) return { code: null, signal: null };
  // As wait(2) packs it: the signal in the low 7 bits, else the code in the next byte.
  const signal = status & 0x7f;
  return signal === 0 ? exited(status >> 8) : killed(signal);
}

function exited(code: number): Pick<ProcessExit, 'code' | 'signal'> {
  return { code, signal: null };
}

function killed(signal: number): Pick<ProcessExit, 'code' | 'signal'> {
  return { code: null, signal: signalName(signal) };
}
