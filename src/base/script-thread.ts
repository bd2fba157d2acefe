/**
 * The options that a worker or a child process needs, beside a script, to run it: none for JavaScript; for
 * TypeScript, the same loader that runs this process (`node --import tsx`, `node -r ts-node/register`),
 * the types that Node itself strips, or else ts-node where the script can see it.
 *
 * A thread takes over no other flag of its process: some are refused by workers, others (`--inspect-brk`)
 * would stop it.
 */
import { dirname, extname, join } from 'node:path';

const TS_NODE = 'ts-node/register/transpile-only';

/** Options for `new Worker` and `fork`. */
export interface Runtime {
  execArgv: string[];
  env?: NodeJS.ProcessEnv;
}

/**
 * The options that a thread or a process needs to run `script`, a file of this package, and `module`,
 * which is the user's, if there is one.
 */
export function runtimeFor(script: string, module = script): Runtime {
  const isOurs = isTypeScript(script);
  if (!isOurs && !isTypeScript(module)) return { execArgv: [] };
  const loaders = loadersOf(process.execArgv);
  if (loaders.length === 0 && !isOurs && stripsTypes()) return { execArgv: [] };
  const execArgv = loaders.length > 0 ? loaders : ['-r', tsNodeFor(isOurs ? script : module)];
  if (!isOurs) return { execArgv };
  return { execArgv, env: { ...process.env, TS_NODE_PROJECT: join(__dirname, TSCONFIG) } };
}

/** Node's own arguments (`execArgv`) for a thread or a process that runs `script`. */
export function execArgvFor(script: string): string[] {
  return runtimeFor(script).execArgv;
}

const TSCONFIG = '../../tsconfig.json';

/** Whether `file` is TypeScript by its name. */
function isTypeScript(file: string): boolean {
  return /^\.[cm]?ts$/.test(extname(file));
}

/** Of what a process was started with: the arguments by which it runs TypeScript, if it does. */
function loadersOf(words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    if (/^(-r|--require|--import)$/.test(word)) return [word, words[index + 1] ?? ''];
    return /^--(require|import)=/.test(word) ? [word] : [];
  });
}

function tsNodeFor(script: string): string {
  try {
    return require.resolve(TS_NODE, { paths: [dirname(script), process.cwd()] });
  } catch {
    // The thread says that it is missing.
    return TS_NODE;
  }
}

/** Whether this Node runs TypeScript by itself. */
function stripsTypes(): boolean {
  return Boolean((process.features as { typescript?: unknown }).typescript);
}
