/**
 * What it costs to load: time and memory up to `require('epoll-ffi')` and to a first `watch(0)`, as
 * the package is built (`npm run build`), beside koffi alone, `ws`, and chokidar.
 *
 * Each figure is of a process of its own. Their order changes from round to round, as the first one
 * pays for pages that the next finds in memory. What counts is what comes on top of koffi alone: a
 * process that calls C cannot have less.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Effort } from './contest';
import { describeMachine, median, type Report, type Row } from './report';

const ROOT = join(__dirname, '../..');
const CHOKIDAR = 'chokidar@4';
const KOFFI = 'koffi, a library loaded';

/** What a process does between its two looks at the clock; `root` is the folder of the package. */
const STEPS: Record<string, string> = {
  [KOFFI]: `require('koffi').load(null).func('getpid', 'int', [])()`,
  'epoll-ffi/sys': `require('epoll-ffi/sys')`,
  'epoll-ffi/sys, a first call': `require('epoll-ffi/sys').close(1000)`,
  'epoll-ffi': `require('epoll-ffi')`,
  'epoll-ffi, a first watch(0)': `require('epoll-ffi').watch(0)`,
  'epoll-ffi, a first TcpServer': `new (require('epoll-ffi').TcpServer)({ port: 0 })`,
  ws: `require('ws')`,
  chokidar: `require('chokidar')`,
};

interface Cost {
  ms: number;
  bytes: number;
}

/** The suite. */
export async function load({ rounds, only, addons }: Effort): Promise<Report> {
  if (!existsSync(join(ROOT, 'dist/index.js'))) {
    throw new Error('the package is not built: npm run build');
  }
  const chokidar = addons ? installed() : null;
  const names = Object.keys(STEPS).filter(
    (name) => name.includes(only) && (name !== 'chokidar' || chokidar !== null),
  );
  const costs = new Map(names.map((name) => [name, [] as Cost[]]));
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? names : [...names].reverse();
    for (const name of order) {
      const folder = name === 'chokidar' ? (chokidar as string) : ROOT;
      costs.get(name)?.push(costOf(STEPS[name] as string, folder));
    }
  }
  const rows: Row[] = [...costs].map(([contender, each]) => ({
    case: 'load',
    contender,
    loadMs: median(each.map(({ ms }) => ms)),
    loadBytes: median(each.map(({ bytes }) => bytes)),
  }));
  return { suite: 'load', machine: describeMachine(), rows, ratios: aboveKoffi(costs) };
}

/** Milliseconds and MB on top of koffi, within each round. */
function aboveKoffi(costs: Map<string, Cost[]>): Report['ratios'] {
  const koffi = costs.get(KOFFI);
  if (koffi === undefined) return {};
  const above: Report['ratios'] = {};
  for (const [name, each] of costs) {
    if (!name.startsWith('epoll-ffi')) continue;
    const difference = (field: keyof Cost): number =>
      median(each.map((cost, round) => cost[field] - (koffi[round]?.[field] ?? Number.NaN)));
    above[`${name}: ms above koffi`] = difference('ms');
    above[`${name}: MB above koffi`] = difference('bytes') / 1e6;
  }
  return above;
}

/** A process that finds packages as a program in `folder` would. stdin is a pipe that stays open. */
function costOf(step: string, folder: string): Cost {
  const program = `
    const require = process.getBuiltinModule('node:module').createRequire(${JSON.stringify(join(folder, 'x.js'))});
    const before = process.memoryUsage().rss;
    const start = performance.now();
    ${step};
    const ms = performance.now() - start;
    require('node:fs').writeSync(1, JSON.stringify({ ms, bytes: process.memoryUsage().rss - before }));
    process.exit();`;
  const output = execFileSync(process.execPath, ['-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  return JSON.parse(output);
}

/** The folder in which chokidar is installed; null, with a word why, where it cannot be. */
function installed(): string | null {
  const folder = join(__dirname, 'build/load');
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{}');
    if (!existsSync(join(folder, 'node_modules/chokidar'))) {
      execFileSync('npm', ['install', CHOKIDAR, '--no-audit'], { cwd: folder, stdio: 'ignore' });
    }
    return folder;
  } catch (error) {
    console.warn(`without chokidar: ${(error as Error).message}`);
    return null;
  }
}
