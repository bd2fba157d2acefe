/**
 * The latency of a loop while all its requests for slow work go to a task thread that is never idle, and
 * of the same loop without any; and, for contrast, of a loop that does the same work itself.
 *
 * Nothing is pinned: the task thread must find a core of its own, as it would have one anywhere. The
 * client sends one message a millisecond, so that the cores are not what is short.
 */
import { type Figures, rowsOf } from '../compare';
import type { Effort } from '../contest';
import { type Command, compile, Program, script } from '../programs';
import { median, type Report } from '../report';
import type { ThreadsCase } from './threads-case';

const NAME = 'echo beside slow tasks';
const GAP_US = 1_000;
const BYTES = 64;
const CONTENDERS = ['with tasks', 'with tasks, nice 0', 'without', 'on the loop itself'] as const;

/** The case. */
export const slowTasks: ThreadsCase = { name: NAME, measure };

async function measure(effort: Effort): Promise<Pick<Report, 'rows' | 'ratios'>> {
  const load = compile('loads/paced.c');
  if (load === null) return { rows: [], ratios: {} };
  const rounds = new Map<string, Figures[]>(CONTENDERS.map((name) => [name, []]));
  for (let round = 0; round < effort.rounds; round += 1) {
    for (const name of CONTENDERS) rounds.get(name)?.push(await sample(name, load, effort));
  }
  const ratios: Report['ratios'] = {};
  const without = rounds.get('without') ?? [];
  for (const name of CONTENDERS.filter((one) => one !== 'without')) {
    for (const [label, field] of [
      ['p50', 'p50Us'],
      ['p99', 'p99Us'],
    ] as const) {
      const each = (rounds.get(name) ?? []).map(
        (figures, round) => figures[field] / (without[round]?.[field] ?? Number.NaN),
      );
      ratios[`${NAME} ${label} ${name}/without`] = median(each);
    }
  }
  return { rows: rowsOf(NAME, rounds, 'messages'), ratios };
}

async function sample(name: string, load: Command, effort: Effort): Promise<Figures> {
  const { roundMs, warmUpMs } = effort;
  const server = new Program([...script('servers/slow-tasks.ts'), name]);
  try {
    const port = await server.line();
    const client = new Program([...load, ...[port, GAP_US, BYTES, warmUpMs, roundMs].map(String)]);
    try {
      await client.line();
      const before = server.cpuSeconds();
      const figures = JSON.parse(await client.line());
      const cpuSeconds = server.cpuSeconds() - before;
      return { ...figures, cpuSeconds, perCpuSecond: (figures.rate * roundMs) / 1e3 / cpuSeconds };
    } finally {
      client.kill();
    }
  } finally {
    server.kill();
  }
}
