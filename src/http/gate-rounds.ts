/**
 * Whose turn it is to have more of its requests read: those that asked ahead share a part of each turn
 * of Node's loop, so that a thousand of them cost one who asks once no more than that part.
 */
import { outsideCallers } from '../loop/context';

/** What is served in rounds. */
export interface Served {
  /** Go on for a while. Comes again by {@link serveSoon} if there is more to do. */
  goOn(): void;
}

/** How long those who asked ahead are served before everybody else has a turn. */
const ROUND_MS = 2;

let waiting: Served[] = [];
let isDue = false;

/** Have `served` go on soon, after those who wait already. */
export function serveSoon(served: Served): void {
  waiting.push(served);
  if (!isDue) schedule();
}

function schedule(): void {
  isDue = true;
  outsideCallers(() => setImmediate(serveRound));
}

function serveRound(): void {
  const deadline = performance.now() + ROUND_MS;
  const round = waiting;
  waiting = [];
  let index = 0;
  while (index < round.length && performance.now() < deadline) {
    const served = round[index] as Served;
    index += 1;
    served.goOn();
  }
  // Those who had no turn come before those who want another.
  if (index < round.length) waiting = [...round.slice(index), ...waiting];
  isDue = false;
  if (waiting.length > 0) schedule();
}
