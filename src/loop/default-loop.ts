/** The loop that everything uses that was not given one: one per JavaScript thread. */
import { EventLoop } from './event-loop';

let shared: EventLoop | null = null;

/** This thread's default loop; made at the first use, and again if it was closed. */
export function defaultLoop(): EventLoop {
  if (shared === null || shared.closed) shared = new EventLoop();
  return shared;
}

/** Have `loop` be the default loop of this thread from now on. What uses another one stays with that. */
export function setDefaultLoop(loop: EventLoop): void {
  shared = loop;
}
