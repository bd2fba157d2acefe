/** The programs of a benchmark: compiled, pinned to a core, started, and their CPU time. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { findProgram } from '../support/programs';
import { transpileInto } from '../support/transpile';

const ROOT = join(__dirname, '../..');
const BUILD = join(__dirname, 'build');
const compiler = findProgram('cc', 'gcc', 'clang');
const taskset = cpus().length > 1 ? findProgram('taskset') : null;

/** A command line. */
export type Command = [program: string, ...args: string[]];

/** A C file of this folder as a program; null, with a word, where there is no compiler. */
export function compile(file: string): Command | null {
  if (compiler === null) return null;
  mkdirSync(BUILD, { recursive: true });
  const program = join(BUILD, basename(file, '.c'));
  execFileSync(compiler, ['-O2', '-D_GNU_SOURCE', '-o', program, join(__dirname, file)], {
    stdio: 'inherit',
  });
  return [program];
}

/**
 * A package with a native addon, installed and built beside the compiled programs: it is no
 * dependency of ours, not even of the development. Null, with a word why, where that fails.
 */
export function addon(name: string, version: string): string | null {
  const folder = join(BUILD, 'addons');
  const path = join(folder, 'node_modules', name);
  if (compiler === null) return missing(name, 'there is no C compiler');
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ allowScripts: { [name]: true } }));
  try {
    const args = ['install', `${name}@${version}`, '--no-audit'];
    execFileSync('npm', args, { cwd: folder, stdio: 'ignore' });
    execFileSync(process.execPath, ['-e', `require(${JSON.stringify(path)})`], { stdio: 'ignore' });
    return path;
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    return missing(name, (error as Error).message);
  }
}

function missing(name: string, reason: string): null {
  console.warn(`without the addon ${name}: ${reason}`);
  return null;
}

/**
 * A TypeScript file of this folder as a program: as JavaScript, because a compiler in the process
 * would take seconds to start and be part of the memory that is measured.
 */
export function script(file: string): Command {
  const scripts = join(BUILD, 'js');
  if (!isTranspiled) transpileInto(scripts, ['src', 'test/bench']);
  isTranspiled = true;
  return [process.execPath, join(scripts, relative(ROOT, __dirname), file.replace(/ts$/, 'js'))];
}

let isTranspiled = false;

/** How to start a {@link Program}. */
export interface ProgramOptions {
  /** The core it is pinned to, where programs can be pinned. */
  core?: number;
  /** Added to the environment. */
  env?: NodeJS.ProcessEnv;
  /** An fd of ours that it has as fd 3. */
  fd?: number;
}

/** A running program that is spoken with line by line. */
export class Program {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(command: Command, { core, env, fd }: ProgramOptions = {}) {
    const isPinned = taskset !== null && core !== undefined;
    const [program, ...args] = isPinned ? [taskset, '-c', `${core}`, ...command] : command;
    this.#child = spawn(program as string, args, {
      stdio: ['pipe', 'pipe', 'inherit', ...(fd === undefined ? [] : [fd])],
      env: { ...process.env, ...env },
    });
    const output = this.#child.stdout as Readable;
    this.#lines = createInterface({ input: output })[Symbol.asyncIterator]();
  }

  /** The next line it prints. */
  async line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error(`${this.#child.spawnargs.join(' ')} ended too soon`);
    return value;
  }

  /** Give it a line to read. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** CPU time of all its threads and children so far, in seconds. */
  cpuSeconds(): number {
    let nanoseconds = 0;
    for (const task of this.#processes().flatMap(tasksOf)) {
      nanoseconds += nanosecondsOf(task);
    }
    return nanoseconds / 1e9;
  }

  kill(): void {
    for (const pid of this.#processes()) process.kill(pid, 'SIGKILL');
  }

  /** Itself and its children, unless it has ended. */
  #processes(): number[] {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return [];
    const children = tasksOf(pid).map((task) => readFileSync(`${task}/children`, 'utf8'));
    return [pid, ...children.join(' ').split(' ').filter(Boolean).map(Number)];
  }
}

/** CPU time of one thread; 0 if it has just ended. */
function nanosecondsOf(task: string): number {
  try {
    return Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ', 1)[0]);
  } catch {
    return 0;
  }
}

function tasksOf(pid: number): string[] {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).map((task) => join(tasks, task));
}
