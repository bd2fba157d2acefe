/** What a suite found: rows and ratios, as a table for people and as JSON for programs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

/** Medians over the rounds for one contender in one case. */
export interface Row {
  case: string;
  contender: string;
  /** Units of work a second. */
  rate: number;
  /** CPU time of the server process, in seconds of one round. */
  cpuSeconds: number;
  /** Units of work a CPU-second of the server: the figure to compare. */
  perCpuSecond: number;
  p50Us: number;
  p99Us: number;
}

/** The result of a suite. */
export interface Report {
  suite: string;
  machine: string;
  rows: Row[];
  /** "CASE ours/CONTENDER": medians of the ratios of each round. */
  ratios: Record<string, number>;
}

/** Told once with every result: figures of different machines do not compare. */
export function describeMachine(): string {
  const [first] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} x ${first?.model ?? arch()}, ${gib} GiB, Linux ${release()}, Node ${process.version}`;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Print the report and keep it as `folder/SUITE.json`. */
export function publish(report: Report, folder: string): void {
  console.log(`\n${report.suite} on ${report.machine}`);
  console.table(
    report.rows.map(({ case: name, contender, rate, cpuSeconds, perCpuSecond, p50Us, p99Us }) => ({
      case: name,
      contender,
      'per second': Math.round(rate),
      'CPU s': Number(cpuSeconds.toFixed(2)),
      'per CPU-second': Math.round(perCpuSecond),
      'p50 us': Number(p50Us.toFixed(1)),
      'p99 us': Number(p99Us.toFixed(1)),
    })),
  );
  for (const [name, ratio] of Object.entries(report.ratios)) {
    console.log(`${ratio.toFixed(2).padStart(7)}x  ${name}`);
  }
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${report.suite}.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`\nkept in ${file}`);
}
