/**
 * The loop for APIs of other packages: one event, one callback, and then Node's turn. So promises
 * and ticks of a callback run before the next one, as they do after a callback of an addon.
 */
import { EventLoop } from '../loop/event-loop';

let shared: EventLoop | null = null;

/** This thread's loop of that kind; made at the first use, and again after it was closed. */
export function oneByOneLoop(): EventLoop {
  if (shared === null || shared.closed) shared = new EventLoop({ maxEvents: 1, batchesPerTurn: 1 });
  return shared;
}
