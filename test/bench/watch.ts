/**
 * Watching single fds: ours, on a waiter thread and on libuv, against the npm package `epoll` and
 * against poll(2). Nothing is pinned to a core: whoever has threads may use both.
 */
import { type Figures, type RatioFields, type Rounds, summarize } from './compare';
import type { Effort } from './contest';
import { addon, type Command, Program, script } from './programs';
import { describeMachine, median, type Report } from './report';

const ADDON_VERSION = '4.0.2';
const FEW_IDLE = 100;
const MANY_IDLE = 9_000;

interface WatchCase {
  name: string;
  /** The script and its second argument. */
  command: [script: string, argument: number];
  contenders: string[];
  ratios: RatioFields;
}

export async function watch(effort: Effort): Promise<Report> {
  const path = effort.addons ? addon('epoll', ADDON_VERSION) : null;
  const others = path === null ? [] : [`addon:${path}`];
  const report: Report = { suite: 'watch', machine: describeMachine(), rows: [], ratios: {} };
  const among = new Map<number, Rounds>();
  for (const one of casesWith(others).filter(({ name }) => name.includes(effort.only))) {
    const rounds = await measure(one, effort);
    const { rows, ratios } = summarize(one.name, rounds, one.ratios);
    report.rows.push(...rows);
    Object.assign(report.ratios, ratios);
    if (one.command[0] === 'ready') among.set(one.command[1], rounds);
  }
  for (const name of among.has(MANY_IDLE) && among.has(FEW_IDLE) ? ['ours', 'poll'] : []) {
    report.ratios[`cost among ${MANY_IDLE}/among ${FEW_IDLE} ${name}/${name}`] = costRatio(
      among,
      name,
    );
  }
  return report;
}

function casesWith(others: string[]): WatchCase[] {
  const latency = (name: string, gapUs: number): WatchCase => ({
    name,
    command: ['latency', gapUs],
    contenders: ['ours', 'ours, libuv', ...others],
    ratios: { ' p50': 'p50Us' },
  });
  const idle = (count: number): WatchCase => ({
    name: `1 ready among ${count} idle`,
    command: ['ready', count],
    contenders: ['ours', 'poll'],
    ratios: { '': 'perCpuSecond' },
  });
  return [
    {
      name: '1 ready fd',
      command: ['ready', 0],
      contenders: ['ours', 'ours, compat', ...others],
      ratios: { '': 'rate' },
    },
    latency('write to callback, answered', 0),
    latency('write to callback, every 1 ms', 1_000),
    latency('write to callback, every 5 ms', 5_000),
    idle(FEW_IDLE),
    idle(MANY_IDLE),
  ];
}

async function measure({ command, contenders }: WatchCase, effort: Effort): Promise<Rounds> {
  const rounds: Rounds = new Map(contenders.map((name) => [shortName(name), []]));
  const [file, argument] = command;
  for (let round = 0; round < effort.rounds; round += 1) {
    for (const name of contenders) {
      const args = [name, `${argument}`, `${effort.warmUpMs}`, `${effort.roundMs}`];
      rounds.get(shortName(name))?.push(await sample([...script(`watchers/${file}.ts`), ...args]));
    }
  }
  return rounds;
}

async function sample(command: Command): Promise<Figures> {
  const program = new Program(command);
  try {
    await program.line();
    const start = performance.now();
    const before = program.cpuSeconds();
    const figures = JSON.parse(await program.line());
    const cpuSeconds = program.cpuSeconds() - before;
    const seconds = (performance.now() - start) / 1_000;
    return { ...figures, cpuSeconds, perCpuSecond: (figures.rate * seconds) / cpuSeconds };
  } finally {
    program.kill();
  }
}

/** How much more CPU time an event costs when many more fds are watched. */
function costRatio(among: Map<number, Rounds>, name: string): number {
  const few = among.get(FEW_IDLE)?.get(name) ?? [];
  const many = among.get(MANY_IDLE)?.get(name) ?? [];
  return median(
    few.map(({ perCpuSecond }, round) => perCpuSecond / (many[round]?.perCpuSecond ?? Number.NaN)),
  );
}

function shortName(contender: string): string {
  return contender.startsWith('addon:') ? 'addon' : contender;
}
