/**
 * Signals as records with their sender and value: signalfd(2).
 *
 * Which signals work in Node. A signalfd delivers pending signals, so they must be blocked. But a
 * mask belongs to one thread, and a signal sent to a process (kill(2), sigqueue(3), a terminal)
 * goes to any thread that does not block it, which then acts on it: most signals end the process.
 * Node has such threads from its start, those of V8. They block only SIGUSR1 (Node sets that mask
 * whatever it inherits, so `env --block-signal` does not help), and JavaScript cannot change the
 * mask of another thread. So, as of Node 20:
 *
 * - SIGUSR1 works, if the source is made in the main thread before the first Worker, the first
 *   other use of a loop of ours, and the first use of libuv's pool (fs, dns, crypto). Threads that
 *   start later inherit the mask. The loader of ES modules has threads too, so use a CommonJS
 *   module.
 * - Any other signal sent to the process does not work, and the constructor refuses it, after a
 *   look at the masks of all threads. Use `process.on(name)`, which gives no sender and no value.
 * - Any signal sent to one thread works (tgkill(2), a timer or an fd set up so), with `target:
 *   'thread'` and a loop whose thread waits itself: the kernel looks for pending signals in the
 *   waiting thread, and a waiter thread has none of another thread's.
 *
 * Children of `node:child_process` do not inherit the mask (libuv empties it). Workers do, and keep
 * it when the source is closed.
 */
import { z } from 'zod';
import { invalidType, outOfRange } from '../../base/check';
import { signalNotBlocked } from '../../base/errors';
import { parseOptions } from '../../base/options';
import { defaultLoop } from '../../loop/default-loop';
import type { EventLoop } from '../../loop/event-loop';
import { SFD_CLOEXEC, SFD_NONBLOCK } from '../../sys/constants';
import { unwrap } from '../../sys/errno';
import { read } from '../../sys/io';
import {
  decodeSignalInfo,
  SIGNALFD_SIGINFO_BYTES,
  type SignalInfo,
  signalfd,
} from '../../sys/signal';
import { signalName, signalNumber } from '../../sys/signal-name';
import { encodeSignalSet } from '../../sys/signal-set';
import { FdSource, type FdSourceOptions, fdSourceOptionFields } from '../fd-source';
import { holdSignals, openThreads } from './signal-mask';

/** Options of {@link SignalFd}. */
export interface SignalFdOptions extends FdSourceOptions {
  /**
   * The signals sent to the process, the default, or those sent to this very thread. See the head
   * of signal-fd.ts for the conditions.
   */
  target?: 'process' | 'thread';
}

const optionsSchema = z.strictObject({
  ...fdSourceOptionFields,
  target: z.enum(['process', 'thread']).default('process'),
});

/** These cannot be blocked, or come from a fault of the thread itself, which cannot go on. */
const REFUSED: ReadonlySet<string | null> = new Set([
  'SIGKILL',
  'SIGSTOP',
  'SIGSEGV',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGTRAP',
  'SIGSYS',
]);

const bytes = new Uint8Array(SIGNALFD_SIGINFO_BYTES);

/**
 * A signalfd. It emits `signal` for each signal. A signal that is sent again before it was taken is
 * emitted once, real-time signals as often as they were sent.
 *
 * The signals are blocked in this thread from the constructor to the close. Those pending at the
 * close are dropped, because unblocked they would act. SIGCHLD belongs to `child_process`.
 */
export class SignalFd extends FdSource<'signal', SignalInfo> {
  /**
   * `signals` are names ("SIGUSR1") or numbers, 1 to 64. Throws a RangeError for unknown ones and
   * for those that cannot be waited for, a TypeError for a wrong option, an Error
   * `ERR_SIGNAL_NOT_BLOCKED` if other threads would take the signals, and a {@link SystemError}
   * EMFILE or ENFILE when there are no fds left.
   */
  constructor(signals: readonly (number | NodeJS.Signals)[], options: SignalFdOptions = {}) {
    const numbers = checkSignals(signals);
    const { target, ...settings } = parseOptions('SignalFd', optionsSchema, options);
    if (target === 'process') assertBlockedElsewhere(numbers);
    else assertInline(settings.loop);
    const { fd, release } = open(numbers);
    super(fd, { ...settings, event: 'signal', release });
  }

  protected override readOnce(fd: number): number {
    const outcome = read(fd, bytes);
    if (outcome > 0) this.deliver(decodeSignalInfo(bytes));
    return outcome;
  }
}

function checkSignals(signals: readonly (number | NodeJS.Signals)[]): number[] {
  if (!Array.isArray(signals)) throw invalidType('signals', 'an array', signals);
  const numbers = [...new Set(signals.map((signal) => signalNumber(signal)))];
  if (numbers.length === 0) throw outOfRange('signals.length', '>= 1', 0);
  const refused = numbers.find((number) => REFUSED.has(signalName(number)));
  if (refused === undefined) return numbers;
  throw outOfRange('signals', 'of signals that can be blocked', signalName(refused));
}

function assertBlockedElsewhere(numbers: readonly number[]): void {
  const taking = numbers.filter((number) => openThreads([number]).length > 0);
  if (taking.length === 0) return;
  const names = taking.map((number) => signalName(number) ?? number).join(', ');
  const threads = openThreads(taking).join(', ');
  throw signalNotBlocked(names, threads);
}

function assertInline(loop: EventLoop = defaultLoop()): void {
  if (loop.isInline) return;
  const expected = "a loop with waiter: 'inline', for the target 'thread'";
  throw invalidType('loop', expected, loop);
}

function open(numbers: readonly number[]): { fd: number; release: () => void } {
  const release = holdSignals(numbers);
  const fd = signalfd(-1, encodeSignalSet(numbers), SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) release();
  return { fd: unwrap(fd, 'signalfd'), release };
}
