/**
 * Whose turn it is to have more of its requests read: those that asked ahead have what the others leave
 * of each turn of Node's loop, so that a thousand of them cost one who asks once a few milliseconds.
 *
 * The cost of a request shows later: its file is opened on another thread, its answer is made in another
 * turn. So a round is not measured by itself. How many requests it reads follows from how long turns
 * take, from one round to the next, with all that was done in them; and few are under way at a time,
 * because what a pool of threads has done comes back at once.
 */
import type { ServerResponse } from 'node:http';
import { outsideCallers } from '../../base/context';

/** A connection that is served in rounds. */
export interface Served {
  /**
   * Go on with up to `requests`, at least 1. Returns how many it was. Comes again by {@link serveSoon}
   * if there is more to do.
   */
  goOn(requests: number): number;
}

/** The time that a round may take by itself. */
const ROUND_MS = 2;
/** A turn that takes longer has the next round read half as much. */
const LONG_TURN_MS = 3;
/** Requests of one round; never fewer than 1, so that those who ask ahead are slow, and not starved. */
const MAX_REQUESTS = 1_024;
/** So many of one connection are read together, if a round may read them: that costs less than one by one. */
const TOGETHER = 8;
/** Rounds begin with so many. */
const FIRST_REQUESTS = 16;
/** Requests read in rounds whose answers are being made: of that many, the next round waits a moment. */
export const MAX_BEGUN = 8;
/** An answer that takes longer waits for something else than this thread. */
const BEGUN_MS = 10;
const MOMENT_MS = 1;
/** So many served ones at the head of the queue are forgotten together. */
const COMPACT_AT = 1_024;

const queue: Served[] = [];
/** Those before it were served. */
let head = 0;
let isDue = false;
let quota = FIRST_REQUESTS;
/** When the round before began; 0 if none was due right after it. */
let latestRound = 0;
/** Answers that are being made, and when they began. */
const begun: ServerResponse[] = [];
const begunAt: number[] = [];

/** Have `served` go on soon, after those who wait already. */
export function serveSoon(served: Served): void {
  queue.push(served);
  if (!isDue) schedule();
}

/** `response` is the answer to a request that a round has read. */
export function followAnswer(response: ServerResponse): void {
  begun.push(response);
  begunAt.push(performance.now());
}

function schedule(): void {
  isDue = true;
  const isFull = begun.length >= MAX_BEGUN;
  outsideCallers(() => {
    if (isFull) setTimeout(serveRound, MOMENT_MS);
    else setImmediate(serveRound);
  });
}

function serveRound(): void {
  const start = performance.now();
  if (latestRound > 0) adapt(start - latestRound);
  forgetMade(start);
  const end = queue.length;
  const share = Math.max(Math.floor(quota / (end - head)), Math.min(quota, TOGETHER));
  let left = quota;
  while (head < end && left > 0) {
    const served = queue[head] as Served;
    head += 1;
    left -= served.goOn(Math.min(share, left));
    const now = performance.now();
    // Answers that were made at once are not under way any more.
    forgetMade(now);
    if (begun.length >= MAX_BEGUN || now - start >= ROUND_MS) break;
  }
  if (head === queue.length || head >= COMPACT_AT) {
    queue.splice(0, head);
    head = 0;
  }
  isDue = false;
  latestRound = queue.length > 0 ? start : 0;
  if (queue.length > 0) schedule();
}

/** The turn since the round before took `turnMs`. */
function adapt(turnMs: number): void {
  if (turnMs > LONG_TURN_MS) quota = Math.max(quota >> 1, 1);
  else if (turnMs < LONG_TURN_MS / 2) quota = Math.min(quota + (quota >> 2) + 1, MAX_REQUESTS);
}

/** Keep of `begun` what is being made still. */
function forgetMade(now: number): void {
  let kept = 0;
  for (let index = 0; index < begun.length; index += 1) {
    const response = begun[index] as ServerResponse;
    const at = begunAt[index] as number;
    // One without a socket has not its turn yet.
    const isMade = response.writableEnded || response.destroyed || response.socket === null;
    if (isMade || now - at > BEGUN_MS) continue;
    begun[kept] = response;
    begunAt[kept] = at;
    kept += 1;
  }
  begun.length = kept;
  begunAt.length = kept;
}
