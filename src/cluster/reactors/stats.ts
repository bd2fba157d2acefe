/** The counters of a reactor, and their sums over a pool. */
import { readFileSync } from 'node:fs';
import type { IntervalHistogram } from 'node:perf_hooks';
import type { EventLoop } from '../../loop/event-loop';

/** Of one reactor, since it started. */
export interface ReactorStats {
  /** Connections that are open in its servers. */
  connections: number;
  /** Connections that its servers took. */
  accepted: number;
  /** Events brought by epoll_wait(2), see {@link EventLoopStats}. */
  events: number;
  /** Times the loop led. */
  turns: number;
  /** Times the loop was woken. */
  wakeUps: number;
  /**
   * Times the thread went to sleep, as the kernel counts it (`voluntary_ctxt_switches` of proc(5)): also
   * those after it was woken for nothing. 0 without /proc.
   */
  sleeps: number;
  /** How late Node's timers were: the 99th percentile, in milliseconds; 0 if not measured. */
  lagP99Ms: number;
}

/** Of a pool. */
export interface PoolStats extends ReactorStats {
  /** The sums stand beside; `lagP99Ms` is the highest. Null where no reactor answers. */
  reactors: (ReactorStats | null)[];
  /** Reactors that ended without being asked to. */
  crashes: number;
}

const NS_PER_MS = 1e6;

/** Of this thread. `lag` measures, at its resolution, how late timers are; null for not at all. */
export function threadStats(
  loop: EventLoop,
  lag: { histogram: IntervalHistogram; resolutionMs: number } | null,
): Omit<ReactorStats, 'connections' | 'accepted'> {
  const { events, turns, wakeUps } = loop.stats();
  // The histogram has the time from one timer to the next, and so the resolution in it.
  const lagP99Ms =
    lag === null ? 0 : Math.max(0, lag.histogram.percentile(99) / NS_PER_MS - lag.resolutionMs);
  return { events, turns, wakeUps, sleeps: sleepsOfThread(), lagP99Ms };
}

function sleepsOfThread(): number {
  try {
    const text = readFileSync('/proc/thread-self/status', 'latin1');
    return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** The sums of `reactors`. */
export function summed(reactors: (ReactorStats | null)[], crashes: number): PoolStats {
  const sum: PoolStats = {
    connections: 0,
    accepted: 0,
    events: 0,
    turns: 0,
    wakeUps: 0,
    sleeps: 0,
    lagP99Ms: 0,
    reactors,
    crashes,
  };
  for (const stats of reactors) {
    if (stats === null) continue;
    sum.connections += stats.connections;
    sum.accepted += stats.accepted;
    sum.events += stats.events;
    sum.turns += stats.turns;
    sum.wakeUps += stats.wakeUps;
    sum.sleeps += stats.sleeps;
    sum.lagP99Ms = Math.max(sum.lagP99Ms, stats.lagP99Ms);
  }
  return sum;
}
