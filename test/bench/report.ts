/** What a suite found: rows and ratios, as a table for people and as JSON for programs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

/**
 * Medians over the rounds for one contender in one case. Which figures there are depends on the case:
 * work that was done, or memory that is held.
 */
export interface Row {
  case: string;
  contender: string;
  /** What the work is counted in; messages or events if not given. */
  unit?: string;
  /** Units of work a second. */
  rate?: number;
  /** CPU time of the server process, in seconds of one round. */
  cpuSeconds?: number;
  /** Units of work a CPU-second of the server: the figure to compare. */
  perCpuSecond?: number;
  p50Us?: number;
  p99Us?: number;
  /** Threads that woke for each unit of work. */
  wakeUps?: number;
  /** Bytes of the JavaScript heap and of malloc(3) for each connection. */
  heapBytes?: number;
  /** Bytes of memory that the process has written to (Private_Dirty) for each connection. */
  residentBytes?: number;
  /** Milliseconds until what was loaded can be used. */
  loadMs?: number;
  /** Bytes that the process has grown by meanwhile. */
  loadBytes?: number;
}

/** The result of a suite. */
export interface Report {
  suite: string;
  machine: string;
  rows: Row[];
  /** "CASE ours/CONTENDER": medians of the ratios of each round; "ms above koffi" is a difference. */
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
  const work = report.rows.filter(({ rate }) => rate !== undefined);
  const memory = report.rows.filter(({ heapBytes }) => heapBytes !== undefined);
  const loads = report.rows.filter(({ loadMs }) => loadMs !== undefined);
  if (work.length > 0) console.table(work.map(workColumns));
  if (memory.length > 0) console.table(memory.map(memoryColumns));
  if (loads.length > 0) console.table(loads.map(loadColumns));
  for (const [name, ratio] of Object.entries(report.ratios)) {
    const sign = name.includes(' above ') ? ' ' : 'x';
    console.log(`${ratio.toFixed(2).padStart(7)}${sign}  ${name}`);
  }
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${report.suite}.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`\nkept in ${file}`);
}

function workColumns(row: Row): Record<string, string | number> {
  return {
    case: row.case,
    contender: row.contender,
    ...(row.unit === undefined ? {} : { unit: row.unit }),
    'per second': rounded(row.rate, 0),
    'CPU s': rounded(row.cpuSeconds, 2),
    'per CPU-second': rounded(row.perCpuSecond, 0),
    'p50 us': rounded(row.p50Us, 1),
    'p99 us': rounded(row.p99Us, 1),
    ...(row.wakeUps === undefined ? {} : { 'wake-ups each': rounded(row.wakeUps, 2) }),
  };
}

function memoryColumns(row: Row): Record<string, string | number> {
  return {
    case: row.case,
    contender: row.contender,
    'heap bytes each': rounded(row.heapBytes, 0),
    'resident bytes each': rounded(row.residentBytes, 0),
  };
}

function loadColumns(row: Row): Record<string, string | number> {
  return {
    contender: row.contender,
    ms: rounded(row.loadMs, 1),
    MB: rounded((row.loadBytes ?? Number.NaN) / 1e6, 1),
  };
}

function rounded(value = Number.NaN, digits: number): number {
  return Number(value.toFixed(digits));
}
