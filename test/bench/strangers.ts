/**
 * An honest client beside a thousand pipelines that are never read, and beside two thousand uploads that
 * never end: the latency of its requests. Each round has
 * a server of its own, because strangers of the round before may stay.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Figures, summarize } from './compare';
import { contend, type Effort } from './contest';
import { type Command, script } from './programs';
import type { Report } from './report';

const FILE_BYTES = 2_048;
const KINDS = [
  { name: 'an honest client beside 1000 pipelines never read', kind: 0, strangers: 1_000 },
  { name: 'an honest client beside 2000 slow uploads', kind: 1, strangers: 2_000 },
];

/** The cases, and what measures them. */
export function strangers() {
  return KINDS.map((one) => ({
    name: one.name,
    measure: (effort: Effort) => measure(one, effort),
  }));
}

async function measure(
  { name, kind, strangers: count }: (typeof KINDS)[number],
  effort: Effort,
): Promise<Pick<Report, 'rows' | 'ratios'>> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-site-'));
  try {
    writeFileSync(join(folder, 'file.txt'), Buffer.alloc(FILE_BYTES, 'x'));
    const servers: Record<string, Command> = {
      ours: [...script('servers/site-ours.ts'), folder],
      'node:http': [...script('servers/site-node.ts'), folder],
    };
    const rounds = new Map<string, Figures[]>(Object.keys(servers).map((key) => [key, []]));
    const load = { program: script('loads/strangers.ts'), args: [kind, count] };
    for (let round = 0; round < effort.rounds; round += 1) {
      for (const [contender, server] of Object.entries(servers)) {
        const entrant = { name: contender, server, load };
        const samples = await contend([entrant], { ...effort, rounds: 1 });
        rounds.get(contender)?.push(...(samples.get(contender) ?? []));
      }
    }
    return summarize(name, rounds, { ' p50': 'p50Us', ' p99': 'p99Us' }, 'requests');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
