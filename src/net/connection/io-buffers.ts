/**
 * The buffers that all connections of one loop share, so that an idle connection owns none.
 *
 * Reading: one buffer, handed to listeners as a view that is valid during the call. Writing: small
 * writes made while a connection's events are handled are gathered, and sent with one send(2).
 */

import { allocateLent } from '../../bytes/lent-memory';
import { ViewCache } from '../../bytes/view-cache';
import type { EventLoop } from '../../loop/event-loop';
import { Gather } from './gather';

/** Bytes of one recv(2). More would cost the cache, less would cost calls. */
export const READ_BYTES = 64 * 1024;

/** The buffers of one loop. */
export class IoBuffers {
  /** What recv(2) fills. */
  readonly read: Buffer = allocateLent(READ_BYTES);
  /** Views of `read`, without an allocation for the small ones. */
  readonly views = new ViewCache(this.read);
  /** Where the writes of the connection whose events are being handled are put together. */
  readonly gather = new Gather();
}

const buffersOfLoops = new WeakMap<EventLoop, IoBuffers>();

/** The buffers of `loop`, made at the first use. */
export function buffersOf(loop: EventLoop): IoBuffers {
  let buffers = buffersOfLoops.get(loop);
  if (buffers === undefined) {
    buffers = new IoBuffers();
    buffersOfLoops.set(loop, buffers);
  }
  return buffers;
}
