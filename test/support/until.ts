/** Wait for a condition, turn by turn of the event loop, instead of sleeping for a guessed time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The arguments of the next `event`, from any kind of emitter: `next<[Buffer]>(socket, 'data')`. */
export function next<A extends unknown[] = unknown[]>(
  emitter: { once(event: never, listener: never): unknown },
  event: string,
): Promise<A> {
  return new Promise((resolve) => {
    const listener = (...args: A): void => resolve(args);
    emitter.once(event as never, listener as never);
  });
}
