/**
 * Signal masks: that of this JavaScript thread, changed for as long as a source needs it, and those
 * of the other threads of the process, which can only be read.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { SIG_BLOCK, SIG_UNBLOCK } from '../../sys/constants';
import { errno, unwrap } from '../../sys/errno';
import { pthreadSigmask, sigtimedwait } from '../../sys/signal';
import { encodeSignalSet } from '../../sys/signal-set';

const { EINTR } = errno;
const AT_ONCE = { seconds: 0, nanoseconds: 0 };

/**
 * The number of sources of this thread that hold each signal blocked; a module is loaded once per
 * thread.
 */
const holders = new Map<number, number>();

/**
 * Block `signals` in this thread. Returns the function that undoes this, to call once: it unblocks
 * the signals that no source holds any more, unless they were blocked before the first source.
 * Signals still pending then are dropped: unblocked they would be delivered, and most signals end
 * the process.
 */
export function holdSignals(signals: readonly number[]): () => void {
  const former = encodeSignalSet([]);
  unwrap(pthreadSigmask(SIG_BLOCK, encodeSignalSet(signals), former), 'pthread_sigmask');
  const held = signals.filter((signal) => holders.has(signal) || !has(former, signal));
  for (const signal of held) holders.set(signal, (holders.get(signal) ?? 0) + 1);
  return () => giveBack(held);
}

function giveBack(held: readonly number[]): void {
  const free: number[] = [];
  for (const signal of held) {
    const count = (holders.get(signal) ?? 0) - 1;
    if (count > 0) holders.set(signal, count);
    else if (holders.delete(signal)) free.push(signal);
  }
  const set = encodeSignalSet(free);
  for (;;) {
    const taken = sigtimedwait(set, AT_ONCE);
    if (taken < 0 && taken !== -EINTR) break;
  }
  unwrap(pthreadSigmask(SIG_UNBLOCK, set), 'pthread_sigmask');
}

function has(set: Uint8Array, signal: number): boolean {
  const bit = signal - 1;
  return ((set[bit >> 3] as number) & (1 << (bit & 7))) !== 0;
}

/** The kernel's number of the calling thread. */
function threadId(): number {
  return Number(basename(readlinkSync('/proc/thread-self')));
}

/** The other threads of this process that do not block all of `signals`, by their numbers. */
export function openThreads(signals: readonly number[]): number[] {
  const own = threadId();
  const wanted = signals.reduce((mask, signal) => mask | (1n << BigInt(signal - 1)), 0n);
  return readdirSync('/proc/self/task')
    .map(Number)
    .filter((thread) => thread !== own && (wanted & ~maskOf(thread)) !== 0n);
}

function maskOf(thread: number): bigint {
  try {
    const status = readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
    return BigInt(`0x${/^SigBlk:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  } catch {
    // The thread has ended since it was listed.
    return ~0n;
  }
}
