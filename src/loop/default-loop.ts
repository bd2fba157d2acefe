/** The loop of every class that was given none: one per JavaScript thread. */
import { EventLoop } from './event-loop';

let shared: EventLoop | null = null;

/** This thread's default loop; made at the first use, and again after it was closed. */
export function defaultLoop(): EventLoop {
  if (shared === null || shared.closed) shared = new EventLoop();
  return shared;
}

/** Have `loop` be the default loop of this thread from now on. Objects that use another loop stay with it. */
export function setDefaultLoop(loop: EventLoop): void {
  shared = loop;
}
