/** Modules that are no good, and of other kinds, for the tests of the task scheduler. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TEXTS = {
  'throws.js': `throw new Error('not today');`,
  'exits.js': `process.exit(3);`,
  'syntax.js': `exports.run = (`,
  'missing.js': `require('./is-not-there');`,
  'empty.js': ``,
  'never.js': `exports.start = () => new Promise(() => {});`,
  'value.js': `exports.run = 5;`,
  'plain.js': `exports.run = (value) => ['js', value];`,
  'default.js': `exports.default = { run: (value) => ['default', value] };`,
  'module.mjs': `export const run = async (value) => ['mjs', value];`,
  'imports.js': `exports.run = (await import('node:os')).EOL;`,
  'type.ts': `export function run(value: unknown): unknown { return ['ts', value]; }`,
};

/** Each in a file of a new folder, which is the caller's to remove. */
export function writeModules(): { folder: string; pathOf(name: keyof typeof TEXTS): string } {
  const folder = mkdtempSync(join(tmpdir(), 'epoll-ffi-tasks-'));
  for (const [name, text] of Object.entries(TEXTS)) writeFileSync(join(folder, name), text);
  return { folder, pathOf: (name) => join(folder, name) };
}
