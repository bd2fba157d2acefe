/**
 * The last step of `npm run build`: makes the faces of the package, every `index.js` of dist, lazy,
 * and puts the script of the waiter thread into `loop/waiter-source.js`, for programs that are bundled.
 *
 * TypeScript turns `export { Epoll } from './epoll'` into a call of require at the top, so requiring the
 * package would load all of it: every layer, zod, node:https. Here each name loads its file at its
 * first use, and is a plain value from then on. Fails if an index contains any other code. An `import`
 * of the main entry uses all names; import a layer instead (`epoll-ffi/sys`), which uses only its own.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const dist = join(dirname(fileURLToPath(import.meta.url)), '../dist');

/** Not a getter of a literal name: Node considers that unsafe, and hides it from `import`. */
const LAZY = `function lazy(name, load) {
  Object.defineProperty(exports, name, {
    configurable: true,
    enumerable: true,
    get: function () {
      const value = load();
      Object.defineProperty(exports, name, { enumerable: true, value });
      return value;
    },
  });
}`;
/** The lines that TypeScript puts at the top for all names. */
const NAMES = /^(exports\.\w+ = )+void 0;$/gm;
const REQUIRE = /^var (\w+) = require\("(.+)"\);$/gm;
const NAME =
  /^Object\.defineProperty\(exports, "(\w+)", \{ enumerable: true, get: function \(\) \{ return (\w+)\.(\w+); \} \}\);$/gm;
const NAMESPACE = /^exports\.(\w+) = __importStar\(require\("(.+)"\)\);$/gm;

for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  if (!/(^|\/)index\.js$/.test(file)) continue;
  const path = join(dist, file);
  writeFileSync(path, lazy(readFileSync(path, 'utf8'), file));
}

embedWaiter(join(dist, 'loop/waiter-source.js'));

/** The script of the waiter thread with all that it imports but koffi, in the place of `null`. */
function embedWaiter(path) {
  const { outputFiles } = buildSync({
    entryPoints: [join(dist, 'loop/waiter-thread.js')],
    bundle: true,
    external: ['koffi'],
    minify: true,
    platform: 'node',
    target: 'node20',
    write: false,
  });
  const text = readFileSync(path, 'utf8');
  const embedded = text.replace(
    'SCRIPT = null',
    () => `SCRIPT = ${JSON.stringify(outputFiles[0].text)}`,
  );
  if (embedded === text) throw new Error(`${path} has no place for the script`);
  writeFileSync(path, embedded);
}

function lazy(text, file) {
  const files = new Map([...text.matchAll(REQUIRE)].map(([, variable, name]) => [variable, name]));
  const names = [...text.matchAll(NAME), ...text.matchAll(NAMESPACE)].map(([, name]) => name);
  const platform = relative(dirname(file), 'sys/platform');
  const lines = [
    '"use strict";',
    'Object.defineProperty(exports, "__esModule", { value: true });',
    `require("${platform.startsWith('.') ? platform : `./${platform}`}");`,
    LAZY,
    ...[...text.matchAll(NAME)].map(([, name, variable, property]) =>
      getter(name, `require("${files.get(variable)}").${property}`),
    ),
    ...[...text.matchAll(NAMESPACE)].map(([, name, from]) => getter(name, `require("${from}")`)),
  ];
  refuseOthers(text, file);
  return `${[...lines, hint(names)].join('\n')}\n`;
}

function getter(name, value) {
  return `lazy("${name}", function () { return ${value}; });`;
}

/** Never runs: Node and bundlers find the names for `import` in it. */
function hint(names) {
  return `0 && (module.exports = { ${names.join(', ')} });`;
}

/** Any other code in an index would be lost. */
function refuseOthers(text, file) {
  const code = text.slice(text.indexOf('Object.defineProperty(exports, "__esModule"'));
  const rest = [NAMES, REQUIRE, NAME, NAMESPACE, /^Object\.defineProperty.*__esModule.*$/m]
    .reduce((left, form) => left.replace(form, ''), code)
    .replace(/\/\*\*[\s\S]*?\*\//g, '')
    .trim();
  if (rest !== '') throw new Error(`${file} does more than export: ${rest}`);
}
