/**
 * Servers against each other: in each round every contender gets the same load for the same time,
 * one after the other, so that what else the machine does hits all of them alike. Ratios are taken
 * within a round; their median is told.
 */
import { type Figures, type RatioFields, summarize } from './compare';
import { type Command, Program, type ProgramOptions } from './programs';
import { median, type Report } from './report';

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

/** A client program; it is called with the server's port, `args`, and the two times. */
export interface Load {
  program: Command;
  args: number[];
}

/** One server under one load. */
export interface Entrant {
  /** As the column "contender" shows it. */
  name: string;
  server: Command;
  options?: ProgramOptions;
  load: Load;
}

/** One load for all contenders, of which the first is ours. */
export interface Contest {
  /** The name of the case. */
  name: string;
  /** What the load counts. */
  unit?: string;
  load: Load;
  /** Null for one that this machine has not. */
  contenders: Record<string, Command | null>;
  ratios: RatioFields;
}

/** What a round gave, with how busy both sides were. */
export interface Sample extends Figures {
  serverLoad: number;
  clientLoad: number;
}

const SERVER_CORE = 0;
const CLIENT_CORE = 1;
/** A server that works less than this while the client works more is not what is measured. */
const BUSY = 0.9;

/** Run the contest and put the figures together. */
export async function hold(
  { name, unit, load, contenders, ratios }: Contest,
  effort: Effort,
): Promise<Pick<Report, 'rows' | 'ratios'>> {
  const samples = await contend(present(contenders, load), effort);
  warnOfBottleneck(name, samples);
  return summarize(name, samples, ratios, unit);
}

/** Those contenders that this machine has, each under `load`. */
export function present(contenders: Contest['contenders'], load: Load): Entrant[] {
  return Object.entries(contenders).flatMap(([name, server]) =>
    server === null ? [] : [{ name, server, load }],
  );
}

/** The rounds of each entrant, by name. */
export async function contend(
  entrants: Entrant[],
  { rounds, roundMs, warmUpMs }: Effort,
): Promise<Map<string, Sample[]>> {
  const samples = new Map(entrants.map(({ name }) => [name, [] as Sample[]]));
  const servers = entrants.map(
    ({ server, options }) => new Program(server, { ...options, core: SERVER_CORE }),
  );
  try {
    const ports = await Promise.all(servers.map((server) => server.line()));
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, { name, load }] of entrants.entries()) {
        const args = [ports[index] ?? '', ...load.args, warmUpMs, roundMs].map(String);
        const client: Command = [...load.program, ...args];
        samples.get(name)?.push(await sample(servers[index] as Program, client));
      }
    }
  } finally {
    for (const server of servers) server.kill();
  }
  return samples;
}

async function sample(server: Program, load: Command): Promise<Sample> {
  const client = new Program(load, { core: CLIENT_CORE });
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

function warnOfBottleneck(name: string, samples: Map<string, Sample[]>): void {
  for (const [contender, rounds] of samples) {
    const server = median(rounds.map(({ serverLoad }) => serverLoad));
    const client = median(rounds.map(({ clientLoad }) => clientLoad));
    if (server >= BUSY || client < BUSY) continue;
    const loads = `the client was ${Math.round(client * 100)} % busy, the server ${Math.round(server * 100)} %`;
    console.warn(`${name}, ${contender}: ${loads}: the client is the bottleneck`);
  }
}
