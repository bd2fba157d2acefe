/** The connections of servers, reactors and pools that stop, by how they end: {@link ShutdownResult}s and their sums. */
import type { ShutdownResult } from '../../net/server/shutdown';

/** The connections of a reactor or a pool that stopped, by how they ended. */
export type StopResult = ShutdownResult;

/** The sums of `results`. */
export function summedStops(results: readonly StopResult[]): StopResult {
  const sum = { ended: 0, cut: 0 };
  for (const { ended, cut } of results) {
    sum.ended += ended;
    sum.cut += cut;
  }
  return sum;
}
