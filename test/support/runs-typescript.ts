/** How a process or a worker of the tests is made to run TypeScript: see typescript.js. */
import { join } from 'node:path';

export const RUNS_TYPESCRIPT: readonly [string, string] = ['-r', join(__dirname, 'typescript.js')];
