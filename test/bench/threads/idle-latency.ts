/**
 * How long an idle loop takes to answer: one connection, a message every two milliseconds. A reactor sleeps in
 * Node's own set, an inline one in its own, and the loop of a main thread behind a waiter thread. The time is
 * that of the whole round trip, with the client's own wake-up.
 */
import { rowsOf } from '../compare';
import type { Effort } from '../contest';
import { type Command, compile, script } from '../programs';
import { median, type Report } from '../report';
import { takeTurns } from './rounds';
import type { ThreadsCase } from './threads-case';

const NAME = 'latency of an idle loop';
const GAP_US = 2_000;
const BYTES = 64;
const BASE = 'waiter thread';

/** The case. */
export const idleLatency: ThreadsCase = { name: NAME, measure };

async function measure(effort: Effort): Promise<Pick<Report, 'rows' | 'ratios'>> {
  const program = compile('loads/paced.c');
  if (program === null) return { rows: [], ratios: {} };
  const reactor = [...script('servers/reactors.ts'), 'echo', '1', 'exclusive'] satisfies Command;
  const servers: Record<string, Command> = {
    reactor: [...reactor, 'thread'],
    'inline reactor': [...reactor, 'inline'],
    [BASE]: script('servers/ours.ts'),
  };
  const rounds = await takeTurns(servers, { program, args: [GAP_US, BYTES] }, effort);
  const base = rounds.get(BASE) ?? [];
  const ratios: Report['ratios'] = {};
  for (const [name, figures] of rounds) {
    if (name === BASE) continue;
    ratios[`${NAME} p50 ${name}/${BASE}`] = median(
      figures.map(({ p50Us }, round) => p50Us / (base[round]?.p50Us ?? Number.NaN)),
    );
  }
  return { rows: rowsOf(NAME, rounds, 'messages'), ratios };
}
