/**
 * Servers against each other: in each round every contender gets the same load for the same time,
 * one after the other, so that what else the machine does hits all of them alike. Ratios are taken
 * within a round; their median is told.
 */
import { type Command, compile, Program, script } from './programs';
import { describeMachine, median, type Report, type Row } from './report';

/** One load. */
export interface LoadCase {
  name: string;
  connections: number;
  bytes: number;
}

/** How long and how often. */
export interface Effort {
  rounds: number;
  roundMs: number;
  /** Long enough for a just-in-time compiler to have done its work. */
  warmUpMs: number;
}

/** What is contested: the first of the contenders is ours. */
export interface Contest {
  suite: string;
  cases: LoadCase[];
  contenders: Record<string, Command | null>;
}

interface Sample {
  rate: number;
  cpuSeconds: number;
  perCpuSecond: number;
  p50Us: number;
  p99Us: number;
  serverLoad: number;
  clientLoad: number;
}

const SERVER_CORE = 0;
const CLIENT_CORE = 1;
/** A server that works less than this while the client works more is not what is measured. */
const BUSY = 0.9;

/** Run the contest and put the figures together. */
export async function hold(contest: Contest, effort: Effort): Promise<Report> {
  const load = compile('load.c') ?? script('load.ts');
  const contenders = Object.entries(contest.contenders).filter(
    (entry): entry is [string, Command] => entry[1] !== null,
  );
  const rows: Row[] = [];
  const ratios: Record<string, number> = {};
  for (const loadCase of contest.cases) {
    const samples = await measureCase({ loadCase, contenders, load }, effort);
    for (const [name, rounds] of samples) rows.push(rowOf(loadCase.name, name, rounds));
    Object.assign(ratios, ratiosOf(loadCase, samples));
    warnOfBottleneck(loadCase, samples);
  }
  return { suite: contest.suite, machine: describeMachine(), rows, ratios };
}

interface CaseSetup {
  loadCase: LoadCase;
  contenders: [string, Command][];
  load: Command;
}

async function measureCase(
  { loadCase, contenders, load }: CaseSetup,
  { rounds, roundMs, warmUpMs }: Effort,
): Promise<Map<string, Sample[]>> {
  const { connections, bytes } = loadCase;
  const samples = new Map(contenders.map(([name]) => [name, [] as Sample[]]));
  const servers = contenders.map(([, command]) => new Program(command, SERVER_CORE));
  try {
    const ports = await Promise.all(servers.map((server) => server.line()));
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, [name]] of contenders.entries()) {
        const args = [ports[index] ?? '', connections, bytes, warmUpMs, roundMs].map(String);
        samples.get(name)?.push(await sample(servers[index] as Program, [...load, ...args]));
      }
    }
  } finally {
    for (const server of servers) server.kill();
  }
  return samples;
}

async function sample(server: Program, load: Command): Promise<Sample> {
  const client = new Program(load, CLIENT_CORE);
  try {
    await client.line();
    const start = performance.now();
    const before = server.cpuSeconds();
    const figures = JSON.parse(await client.line());
    const cpuSeconds = server.cpuSeconds() - before;
    const serverLoad = cpuSeconds / ((performance.now() - start) / 1_000);
    return { ...figures, cpuSeconds, serverLoad, perCpuSecond: figures.rate / serverLoad };
  } finally {
    client.kill();
  }
}

function rowOf(loadCase: string, contender: string, rounds: Sample[]): Row {
  const of = (name: keyof Sample): number => median(rounds.map((round) => round[name]));
  return {
    case: loadCase,
    contender,
    rate: of('rate'),
    cpuSeconds: of('cpuSeconds'),
    perCpuSecond: of('perCpuSecond'),
    p50Us: of('p50Us'),
    p99Us: of('p99Us'),
  };
}

/** Of work per CPU-second; and of the typical latency, where one client waits for one answer. */
function ratiosOf(
  { name, connections }: LoadCase,
  samples: Map<string, Sample[]>,
): Report['ratios'] {
  const ratios: Report['ratios'] = {};
  const [[ours, own] = ['', []], ...others] = samples;
  for (const [other, theirs] of others) {
    const ratio = (field: 'perCpuSecond' | 'p50Us'): number =>
      median(own.map((round, index) => round[field] / (theirs[index]?.[field] ?? Number.NaN)));
    ratios[`${name} ${ours}/${other}`] = ratio('perCpuSecond');
    if (connections === 1) ratios[`${name} p50 ${ours}/${other}`] = ratio('p50Us');
  }
  return ratios;
}

function warnOfBottleneck({ name, connections }: LoadCase, samples: Map<string, Sample[]>): void {
  if (connections === 1) return;
  for (const [contender, rounds] of samples) {
    const server = median(rounds.map(({ serverLoad }) => serverLoad));
    const client = median(rounds.map(({ clientLoad }) => clientLoad));
    if (server >= BUSY || client < server) continue;
    const loads = `the client was ${Math.round(client * 100)} % busy, the server ${Math.round(server * 100)} %`;
    console.warn(`${name}, ${contender}: ${loads}: the client is the bottleneck`);
  }
}
