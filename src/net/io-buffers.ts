/**
 * The buffers that all connections of one loop share, so that an idle connection owns none.
 *
 * Reading: one buffer, handed to listeners as a view that is valid during the call. Writing: small
 * writes made while a connection's events are handled are gathered, and sent with one send(2).
 */
import { markAsUntransferable } from 'node:worker_threads';
import type { EventLoop } from '../loop/event-loop';
import { lend } from '../loop/lent-memory';
import { ViewCache } from './view-cache';

/** Bytes of one recv(2). More would cost the cache, less would cost calls. */
export const READ_BYTES = 64 * 1024;
/** Bytes gathered for one send(2). */
const GATHER_BYTES = 64 * 1024;

/** The buffers of one loop. */
export class IoBuffers {
  /** What recv(2) fills. */
  readonly read: Buffer = allocate(READ_BYTES);
  /** Views of `read`, without an allocation for the small ones. */
  readonly views = new ViewCache(this.read);
  /** Where the writes of the connection whose events are being handled are put together. */
  readonly cork: Buffer = allocate(GATHER_BYTES);
  /** Whose events are being handled, and whose writes the next two are; null if nobody's. */
  corkOwner: object | null = null;
  /** The first write, by reference: mostly it is the only one, and then never copied. */
  corkedFirst: Uint8Array | null = null;
  /** How many bytes are gathered: of `corkedFirst` alone, or in `cork` once there is a second write. */
  corkedBytes = 0;
}

/** A buffer that a listener cannot take away by posting its view to another thread. */
function allocate(bytes: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  markAsUntransferable(buffer.buffer);
  lend(buffer);
  return buffer;
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
