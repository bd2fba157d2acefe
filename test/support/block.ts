/** Stand still for `ms` milliseconds, as a thread does that has too much to do. */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
