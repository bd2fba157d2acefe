/**
 * The errors of this room that are neither a wrong argument nor a failed system call: each has a stable
 * `code` and names the value. Wrong arguments are errors of base/check.ts, failed calls are
 * {@link SystemError}s.
 */

type Coded = Error & { code: string };

/** An error with a code of ours. */
export function codedError(code: string, text: string): Coded {
  return Object.assign(new Error(text), { code });
}

/** `what` was closed, and is used. */
export function closedError(what: string): Coded {
  return codedError('ERR_SHARED_CLOSED', `the ${what} is closed`);
}

/** As many threads as there are seats. */
export function tooManyThreadsError(limit: number): Coded {
  return codedError('ERR_TOO_MANY_THREADS', `no more than ${limit} threads can share this`);
}

/** A call that would block the main thread, and with it all of Node's timers, signals and messages. */
export function mainThreadError(call: string): Coded {
  const text = `${call} would block the main thread: call it in a worker, or with timeoutMs 0`;
  return codedError('ERR_MAIN_THREAD', text);
}

/** What a slot number refers to now, for the thread that asks. */
export type SlotState = 'gone' | 'armed' | 'mine' | 'others' | 'down';

const WHERE = {
  armed: 'it is armed',
  mine: 'this thread has it',
  others: 'another thread has it',
  down: 'it is put down',
};

/** A slot is not in the hands in which a call needs it. */
export function slotStateError(slot: number, state: SlotState): Coded {
  if (state === 'gone') return codedError('ERR_SLOT_GONE', `slot ${slot} is gone: it was removed`);
  return codedError('ERR_SLOT_NOT_HELD', `slot ${slot} is in other hands: ${WHERE[state]}`);
}
