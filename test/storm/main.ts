/**
 * The storm: a great many processes and workers that end at random moments, of which none may abort.
 *
 *   npm run storm                                       2,000 scripts, 2,000 terminations, the matrix
 *   npm run storm -- --scripts 40 --terminations 40 --matrix 1
 *
 * Scripts end within `LONGEST_MS`, so before, while and after a waiter thread starts. The matrix is
 * each way to end, at fixed moments round the start of the waiter thread and when it blocks, so many
 * times. A process that ends in another way than it should is printed; then this ends with 1.
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { transpiled } from '../support/transpiled';

const LONGEST_MS = 400;
const PROCESSES = 4;
/** Terminations in one process. */
const WORKERS = 5;
/** A line of progress after so many processes. */
const PROGRESS_EVERY = 100;
/** A process that takes so long hangs. */
const LIMIT_MS = 300_000;
const MOMENTS = ['0', '20', '40', '60', '80', '200', '220', '240', '260', '280', 'waiting'];

/** The exit code of each way to end. */
const CODES: Record<string, number> = {
  close: 0,
  closeLoop: 0,
  unref: 0,
  exit: 0,
  throw: 1,
  reject: 1,
  exitInExit: 0,
  throwInExit: 1,
};
const ways = Object.keys(CODES);

const { values } = parseArgs({
  options: {
    scripts: { type: 'string', default: '2000' },
    terminations: { type: 'string', default: '2000' },
    matrix: { type: 'string', default: '5' },
  },
});

function count(name: keyof typeof values): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new RangeError(`--${name} must be an integer >= 0. Received ${values[name]}`);
}

/** A process to start, and how it must end. */
interface Job {
  args: string[];
  code: number;
}

/** How the job ended, if not as it should. */
function run(folder: string, { args: [file = '', ...args], code }: Job): Promise<string | null> {
  const child = spawn(process.execPath, [join(folder, 'test/storm', file), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  return new Promise((resolve) => {
    child.once('close', (ended, signal) => {
      if (ended === code) resolve(null);
      else resolve(`${[file, ...args].join(' ')}: ${signal ?? ended}\n${stderr.slice(0, 300)}`);
    });
  });
}

/** Runs all, some at a time. Returns how many ended as they should not. */
async function runAll(folder: string, name: string, jobs: Job[]): Promise<number> {
  let bad = 0;
  let done = 0;
  const rest = jobs.values();
  const work = async (): Promise<void> => {
    for (const job of rest) {
      const problem = await run(folder, job);
      done += 1;
      if (done % PROGRESS_EVERY === 0)
        console.log(`${name}: ${done} of ${jobs.length}, ${bad} bad`);
      if (problem === null) continue;
      bad += 1;
      console.log(problem);
    }
  };
  await Promise.all(Array.from({ length: PROCESSES }, work));
  console.log(`${name}: ${jobs.length} processes, ${bad} of them ended otherwise than they should`);
  return bad;
}

function script(way: string, moment: string, waiter = 'thread'): Job {
  return { args: ['script.js', way, moment, waiter], code: CODES[way] as number };
}

function scripts(total: number): Job[] {
  return Array.from({ length: total }, (_, index) =>
    script(ways[index % ways.length] as string, `${Math.floor(Math.random() * LONGEST_MS)}`),
  );
}

function terminations(total: number): Job[] {
  return Array.from({ length: Math.ceil(total / WORKERS) }, () => ({
    args: ['terminations.js', `${WORKERS}`, `${LONGEST_MS}`],
    code: 0,
  }));
}

function matrix(times: number): Job[] {
  const once = ways.flatMap((way) => [
    ...MOMENTS.map((moment) => script(way, moment)),
    script(way, '20', 'libuv'),
  ]);
  return Array.from({ length: times }, () => once).flat();
}

async function main(): Promise<void> {
  const folder = transpiled('storm');
  try {
    const bad =
      (await runAll(folder, 'scripts', scripts(count('scripts')))) +
      (await runAll(folder, 'terminations', terminations(count('terminations')))) +
      (await runAll(folder, 'matrix', matrix(count('matrix'))));
    process.exitCode = bad === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

void main();
