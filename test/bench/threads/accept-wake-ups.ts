/**
 * How many threads wake for one client, of four that sleep: the kernel's count of their sleeps, divided by the
 * clients. A client comes every two milliseconds and is closed at once, so that its end wakes no thread. The
 * two reads of the statistics wake each thread a few times, which is in the figure: it weighs less the longer
 * a round is.
 */
import { rowsOf } from '../compare';
import type { Effort } from '../contest';
import { type Command, compile, type Program, script } from '../programs';
import { median, type Report } from '../report';
import { type Counts, takeTurns } from './rounds';
import type { ThreadsCase } from './threads-case';

const NAME = 'wake-ups per accept';
const WAYS = ['exclusive', 'reuseport', 'shared'] as const;
const THREADS = 4;
const GAP_US = 2_000;

/** The case. */
export const acceptWakeUps: ThreadsCase = { name: NAME, measure };

async function measure(effort: Effort): Promise<Pick<Report, 'rows' | 'ratios'>> {
  const program = compile('loads/visits.c');
  if (program === null) return { rows: [], ratios: {} };
  const servers: Record<string, Command> = {};
  for (const way of WAYS) {
    servers[way] = [...script('servers/reactors.ts'), 'close', `${THREADS}`, way, 'thread'];
  }
  const rounds = await takeTurns(servers, { program, args: [GAP_US] }, effort, countsOf);
  const each = (way: string): number[] =>
    (rounds.get(way) ?? []).map(
      ({ grown: { sleeps, accepted } }) => Number(sleeps) / Number(accepted),
    );
  const rows = rowsOf(NAME, rounds, 'clients').map((row) => ({
    ...row,
    wakeUps: median(each(row.contender)),
  }));
  const herd = each('shared');
  const ratios: Report['ratios'] = {};
  for (const way of WAYS.filter((one) => one !== 'shared')) {
    ratios[`${NAME} ${way}/shared`] = median(
      each(way).map((wakeUps, round) => wakeUps / (herd[round] ?? Number.NaN)),
    );
  }
  return { rows, ratios };
}

async function countsOf(server: Program): Promise<Counts> {
  server.tell('stats');
  const { sleeps, accepted } = JSON.parse(await server.line());
  return { sleeps, accepted };
}
