/**
 * The script of the waiter thread for programs that are bundled into one file: a bundler follows
 * imports, and does not see that a Worker is started from a file beside waiter-pool.ts.
 *
 * The build puts the text here, with all that waiter-thread.ts imports. koffi is not in it: it has a
 * native part, which the main thread of a bundle must find in `node_modules` as well.
 */
import { createRequire } from 'node:module';
import { waiterMissing } from '../base/errors';

/** Filled in by build.mjs. */
const SCRIPT = null as string | null;

/**
 * The text to start a Worker with (`eval`). `file` is the bundle, from where koffi is looked for;
 * empty for a bundle that is an ES module, then it is looked for from the program's main file. Throws
 * ERR_WAITER_MISSING where it is not found.
 */
export function bundledScript(file: string): string {
  const from = file === '' ? (process.argv[1] ?? `${process.cwd()}/`) : file;
  try {
    createRequire(from).resolve('koffi');
  } catch {
    throw waiterMissing(from);
  }
  const require = `require('node:module').createRequire(${JSON.stringify(from)})`;
  return `((require) => {${SCRIPT}\n})(${require});`;
}
