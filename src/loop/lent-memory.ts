/**
 * Memory that is lent to listeners, and overwritten by what comes next: of any loop and any socket of
 * this thread. Whoever keeps a view beyond the call, as the queue of another connection does, must
 * know it, and copy.
 */

const lent = new WeakSet<ArrayBufferLike>();

/** Views of the memory of `view` will be handed out, each valid during one call. */
export function lend({ buffer }: Uint8Array): void {
  lent.add(buffer);
}

/** Whether `view` lies in such memory. */
export function isLent({ buffer }: Uint8Array): boolean {
  return lent.has(buffer);
}
