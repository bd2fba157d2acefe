/**
 * How a worker or a child process is made to run TypeScript, where this process does.
 *
 * A built package is JavaScript and needs nothing of this. A script or a user's module that is a `.ts`
 * file needs what this process was started with (`node --import tsx`, `-r ts-node/register`), or the
 * types that Node itself strips, or else ts-node.
 */
import { extname, join } from 'node:path';

const FALLBACK = ['-r', 'ts-node/register/transpile-only'];

/** Whether `file` is TypeScript by its name. */
function isTypescript(file: string): boolean {
  return /^\.[cm]?ts$/.test(extname(file));
}

/** Of what a process was started with: the arguments by which it runs TypeScript, if it does. */
function loadersOf(words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    if (/^(-r|--require|--import)$/.test(word)) return [word, words[index + 1] ?? ''];
    return /^--(require|import)=/.test(word) ? [word] : [];
  });
}

/** `execArgv` and variables for a worker or a child that runs a script of this package. */
export interface Runtime {
  execArgv?: string[];
  env?: NodeJS.ProcessEnv;
}

/**
 * What a thread or a process needs to run `script`, which is a file of this package, and `module`, which
 * is the user's, if there is one. Empty if both are JavaScript.
 */
export function runtimeFor(script: string, module = script): Runtime {
  const isOurs = isTypescript(script);
  if (!isOurs && !isTypescript(module)) return {};
  const loaders = loadersOf(process.execArgv);
  if (loaders.length === 0 && !isOurs && stripsTypes()) return {};
  const execArgv = loaders.length > 0 ? loaders : FALLBACK;
  if (!isOurs) return { execArgv };
  const env = { ...process.env, TS_NODE_PROJECT: join(__dirname, '../../tsconfig.json') };
  return { execArgv, env };
}

/** Whether this Node runs TypeScript by itself. */
function stripsTypes(): boolean {
  return Boolean((process.features as { typescript?: unknown }).typescript);
}
