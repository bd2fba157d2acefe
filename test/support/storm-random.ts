/** Random numbers with one seed for the whole process, so that a storm can be repeated. */

let seed = 1;

/** Start the random numbers, so that a failure can be repeated. */
export function setSeed(value: number): void {
  seed = value;
}

/** A small generator with a seed, so that a failure can be repeated (Lehmer, modulo 2**31 - 1). */
export function random(below: number): number {
  seed = (seed * 48_271) % 0x7fff_ffff;
  return seed % below;
}

export function pick<T>(values: readonly T[]): T {
  return values[random(values.length)] as T;
}
