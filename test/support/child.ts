/** Child processes that run a TypeScript file of the tests or the examples. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { RUNS_TYPESCRIPT } from './runs-typescript';
import { until } from './until';

export const ROOT = join(__dirname, '../..');
/** A process that runs TypeScript starts within a second, on a busy machine within many. */
jest.setTimeout(60_000);

const running = new Set<ChildProcess>();

afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** A child with its output so far. */
export class Child {
  readonly process: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #exit: Promise<[number | null, NodeJS.Signals | null]>;

  constructor(command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
    this.process = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env } });
    running.add(this.process);
    this.process.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk;
    });
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk;
    });
    this.#exit = new Promise((resolve) => {
      this.process.once('close', (code, signal) => resolve([code, signal]));
    });
    void this.#exit.then(() => running.delete(this.process));
  }

  /** Wait for the child to end. */
  async exit(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const [code, signal] = await this.#exit;
    return { code, signal };
  }

  /** Wait until `pattern` was printed. */
  async printed(pattern: RegExp, timeoutMs = 60_000): Promise<RegExpExecArray> {
    const ended = (): boolean => this.process.exitCode !== null || this.process.signalCode !== null;
    await until(() => pattern.test(this.stdout) || ended(), timeoutMs);
    const match = pattern.exec(this.stdout);
    if (match === null) throw new Error(`ended without ${pattern}: ${this.stdout}${this.stderr}`);
    return match;
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }
}

/**
 * Run a TypeScript file as a user would, with nothing built. `command` is a program that runs it,
 * with its arguments: `['unshare', '-n']`.
 */
export function runTs(
  file: string,
  {
    args = [],
    env = {},
    command = [],
  }: { args?: string[]; env?: NodeJS.ProcessEnv; command?: string[] } = {},
): Child {
  const tsNode = [...RUNS_TYPESCRIPT];
  const words = [...command, process.execPath, ...tsNode, resolve(ROOT, file), ...args];
  return new Child(words[0] as string, words.slice(1), env);
}
