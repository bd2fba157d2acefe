/**
 * Memory that is lent to listeners, and overwritten by what comes next: of any loop and any socket of
 * this thread. Code that holds a view of it past the call, such as the queue of another connection,
 * asks here, and must copy it first.
 */
import { markAsUntransferable } from 'node:worker_threads';

const lent = new WeakSet<ArrayBufferLike>();

/** Mark the memory of `view` as lent: listeners get views of it, each valid during one call. */
export function lend({ buffer }: Uint8Array): void {
  lent.add(buffer);
}

/**
 * Allocate lent memory, which a listener cannot take away by posting its view to another thread.
 */
export function allocateLent(bytes: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  markAsUntransferable(buffer.buffer);
  lend(buffer);
  return buffer;
}

/** Whether `view` lies in lent memory. */
export function isLent({ buffer }: Uint8Array): boolean {
  return lent.has(buffer);
}
