/**
 * The cost of giving an fd to another reactor by `sendFd`, one at a time, where each waits for a thread that
 * wakes, and many at a time, where the threads are awake. The latencies are the microseconds of one hand-over,
 * up to its event `fd`; a CPU-second, of both threads, holds so many.
 */
import { type Figures, rowsOf } from '../compare';
import type { Effort } from '../contest';
import { type Command, Program, script } from '../programs';
import type { Report } from '../report';
import type { ThreadsCase } from './threads-case';

const NAME = 'hand-over of an fd';
const CONTENDERS: Record<string, number> = { 'one at a time': 1, '32 at a time': 32 };

/** The case. */
export const handOver: ThreadsCase = { name: NAME, measure };

async function measure(effort: Effort): Promise<Pick<Report, 'rows' | 'ratios'>> {
  const rounds = new Map<string, Figures[]>(Object.keys(CONTENDERS).map((name) => [name, []]));
  for (let round = 0; round < effort.rounds; round += 1) {
    for (const [name, count] of Object.entries(CONTENDERS)) {
      const args = [count, effort.warmUpMs, effort.roundMs].map(String);
      rounds.get(name)?.push(await sample([...script('servers/hand-over.ts'), ...args]));
    }
  }
  return { rows: rowsOf(NAME, rounds, 'hand-overs'), ratios: {} };
}

async function sample(command: Command): Promise<Figures> {
  const program = new Program(command);
  try {
    await program.line();
    const start = performance.now();
    const before = program.cpuSeconds();
    const figures = JSON.parse(await program.line());
    const cpuSeconds = program.cpuSeconds() - before;
    const seconds = (performance.now() - start) / 1e3;
    return { ...figures, cpuSeconds, perCpuSecond: (figures.rate * seconds) / cpuSeconds };
  } finally {
    program.kill();
  }
}
