/**
 * The benchmarks. `npm run bench` runs all suites, `npm run bench -- NAME` one.
 *
 * Options: --rounds N (7), --round-ms N (1500), --warm-up-ms N (1000), --out FOLDER (test/bench/results),
 * --case TEXT (only cases with this in their name), --without-addons (nothing is installed to
 * compare with).
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Effort } from './contest';
import { echo } from './echo';
import { load } from './load';
import { net } from './net';
import { publish, type Report } from './report';
import { threads } from './threads';
import { watch } from './watch';

const suites: Record<string, (effort: Effort) => Promise<Report>> = {
  echo,
  net,
  watch,
  load,
  threads,
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '7' },
      'round-ms': { type: 'string', default: '1500' },
      'warm-up-ms': { type: 'string', default: '1000' },
      case: { type: 'string', default: '' },
      'without-addons': { type: 'boolean', default: false },
      out: { type: 'string', default: join(__dirname, 'results') },
    },
  });
  const effort = {
    rounds: Number(values.rounds),
    roundMs: Number(values['round-ms']),
    warmUpMs: Number(values['warm-up-ms']),
    only: values.case,
    addons: !values['without-addons'],
  };
  for (const name of positionals.length > 0 ? positionals : Object.keys(suites)) {
    const suite = suites[name];
    if (suite === undefined) {
      throw new Error(`there is no suite "${name}", but ${Object.keys(suites).join(', ')}`);
    }
    publish(await suite(effort), values.out);
  }
}

void main();
