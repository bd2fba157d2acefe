/** The loop that everything uses that was not given one: one per JavaScript thread. */
import { EventLoop } from './event-loop';

let shared: EventLoop | null = null;

/** This thread's default loop; made at the first use, and again if it was closed. */
export function defaultLoop(): EventLoop {
  if (shared === null || shared.closed) shared = new EventLoop();
  return shared;
}
