/**
 * Servers against each other: in each round every contender gets the same load for the same time,
 * one after the other, so that what else the machine does hits all of them alike. Ratios are taken
 * within a round; their median is told.
 */
import { type Figures, type RatioFields, summarize } from './compare';
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
  /** Only cases with this in their name; all if it is empty. */
  only: string;
  /** Whether to install and build other people's addons, to compare with. */
  addons: boolean;
}

/** What is contested: the first of the contenders is ours. */
export interface Contest {
  suite: string;
  cases: LoadCase[];
  contenders: Record<string, Command | null>;
}

interface Sample extends Figures {
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
  for (const loadCase of contest.cases.filter(({ name }) => name.includes(effort.only))) {
    const samples = await measureCase({ loadCase, contenders, load }, effort);
    // Of work per CPU-second; and of the latency, where one client waits for one answer.
    const fields: RatioFields = { '': 'perCpuSecond' };
    if (loadCase.connections === 1) fields[' p50'] = 'p50Us';
    const summary = summarize(loadCase.name, samples, fields);
    rows.push(...summary.rows);
    Object.assign(ratios, summary.ratios);
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
