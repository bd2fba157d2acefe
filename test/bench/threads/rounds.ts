/**
 * Servers with threads, in turn under one load. Nothing is pinned: threads must find cores as they would
 * anywhere, so the load client shares them. Compare work per CPU-second of the server, and latencies within a
 * round.
 */
import type { Figures } from '../compare';
import type { Effort } from '../contest';
import { type Command, Program } from '../programs';

/** What a server counts by itself. */
export type Counts = Record<string, number>;

/** Reads the counts; called when the load has warmed up, and when it has ended. */
export type Counter = (server: Program) => Promise<Counts>;

/** Figures of a round, and how much each count grew meanwhile. */
export interface Turn extends Figures {
  grown: Counts;
}

/** A load without the port and the two times. */
export interface TurnsLoad {
  program: Command;
  args: number[];
}

/** The rounds of each server, by name. */
export async function takeTurns(
  servers: Record<string, Command>,
  load: TurnsLoad,
  { rounds, roundMs, warmUpMs }: Effort,
  counter: Counter = async () => ({}),
): Promise<Map<string, Turn[]>> {
  const names = Object.keys(servers);
  const turns = new Map(names.map((name) => [name, [] as Turn[]]));
  const programs = Object.values(servers).map((command) => new Program(command));
  try {
    const ports: string[] = [];
    for (const program of programs) ports.push(await program.line());
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, name] of names.entries()) {
        const args = [ports[index] ?? '', ...load.args, warmUpMs, roundMs].map(String);
        const server = programs[index] as Program;
        turns.get(name)?.push(await sample(server, [...load.program, ...args], counter));
      }
    }
  } finally {
    for (const program of programs) program.kill();
  }
  return turns;
}

async function sample(server: Program, load: Command, counter: Counter): Promise<Turn> {
  const client = new Program(load);
  try {
    await client.line();
    const counts = await counter(server);
    const before = server.cpuSeconds();
    const start = performance.now();
    const figures: Figures = JSON.parse(await client.line());
    const seconds = (performance.now() - start) / 1e3;
    const cpuSeconds = server.cpuSeconds() - before;
    const grown = Object.fromEntries(
      Object.entries(await counter(server)).map(([key, count]) => [
        key,
        count - (counts[key] ?? 0),
      ]),
    );
    const perCpuSecond = (figures.rate * seconds) / cpuSeconds;
    return { ...figures, cpuSeconds, perCpuSecond, grown };
  } finally {
    client.kill();
  }
}
