/**
 * Runs one block of the README in this process: run.js SCRIPT TEXT NAMES...
 *
 * SCRIPT is the block's JavaScript and TEXT its text. The free NAMES become globals: those of the
 * package, and those of provisions.ts; for another name this ends with an error that says it. Every
 * `for await` over a source of ours ends after its first record, as with a `break`, so that what
 * stands behind it runs too. When the block has run to its end its servers are visited.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { drive } from './drivers';
import { changeFiles, makeFiles, makeServers, PROVISIONS, type Stage } from './provisions';

const epollFfi: typeof import('../../src') = require('epoll-ffi');

const [script, textFile, ...names] = process.argv.slice(2) as [string, string, ...string[]];
const text = readFileSync(textFile, 'utf8');
const stage: Stage = { sys: epollFfi.sys, text, folders: [], cleanups: [] };
const CHANGE_MS = 10;
/** The names that a script of CommonJS has. */
const MODULE = ['require', 'module', 'exports', '__filename', '__dirname'];

function provide(name: string): void {
  if (name in globalThis || MODULE.includes(name)) return;
  const make = Object.hasOwn(PROVISIONS, name) ? PROVISIONS[name] : undefined;
  if (make === undefined && !(name in epollFfi)) {
    throw new Error(`nothing provides "${name}": see test/readme/provisions.ts`);
  }
  const value = make === undefined ? epollFfi[name as keyof typeof epollFfi] : make(stage);
  Object.defineProperty(globalThis, name, { value });
}

function endAfterOne(type: { prototype: AsyncIterable<unknown> }): void {
  const { [Symbol.asyncIterator]: iterate } = type.prototype;
  type.prototype[Symbol.asyncIterator] = async function* () {
    for await (const record of { [Symbol.asyncIterator]: () => iterate.call(this) }) {
      yield record;
      return;
    }
  };
}

async function run(): Promise<void> {
  makeFiles(stage);
  await makeServers(stage);
  for (const name of names) provide(name);
  endAfterOne(epollFfi.FdWatcher);
  endAfterOne(epollFfi.FdSource as never);
  const changes = setInterval(() => changeFiles(stage), CHANGE_MS);
  // As Node does it: an ES module is loaded with threads, a script without.
  if (script.endsWith('.cjs')) require(script);
  else await import(pathToFileURL(script).href);
  clearInterval(changes);
  await drive(stage, names);
  for (const cleanup of stage.cleanups) cleanup();
  process.exit(0);
}

void run();
