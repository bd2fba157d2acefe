/**
 * What a worker or a child process needs, beside a script, to run it: nothing for JavaScript; for
 * TypeScript, the same loader that runs this process (`node --import tsx`, `node -r ts-node/register`),
 * or else ts-node where the script can see it. Later versions of Node need no loader.
 *
 * A thread takes over no other flag of its process: some are refused by workers, others (`--inspect-brk`)
 * would stop it.
 */
import { dirname, extname } from 'node:path';

const TS_NODE = 'ts-node/register/transpile-only';

/** Whether `script` is TypeScript, by its name. */
export function isTypeScript(script: string): boolean {
  return /^\.[cm]?ts$/.test(extname(script));
}

/** Node's own arguments (`execArgv`) for a thread or a process that runs `script`. */
export function execArgvFor(script: string): string[] {
  if (!isTypeScript(script)) return [];
  const loaders = loadersOf(process.execArgv);
  if (loaders.length > 0) return loaders;
  const register = tsNodeFor(script);
  return register === null ? [] : ['-r', register];
}

function loadersOf(words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    if (/^(-r|--require|--import)$/.test(word)) return [word, words[index + 1] ?? ''];
    return /^--(require|import)=/.test(word) ? [word] : [];
  });
}

function tsNodeFor(script: string): string | null {
  try {
    return require.resolve(TS_NODE, { paths: [dirname(script), process.cwd()] });
  } catch {
    return null;
  }
}
