/**
 * TypeScript of this checkout as JavaScript: the one place that calls the compiler. Plain JavaScript, since
 * `typescript.js` loads it where nothing else can. The results are cached by the hash of the source, for all
 * processes and for the next run.
 */
const { createHash } = require('node:crypto');
const { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { threadId } = require('node:worker_threads');

const ROOT = join(__dirname, '../..');
const KEPT = join(ROOT, 'node_modules/.cache/epoll-ffi');

/** Write a file in one step: another process may be reading it. */
function put(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}.${threadId}`;
  writeFileSync(unfinished, text);
  renameSync(unfinished, path);
}

/** The JavaScript of `text`. */
exports.transpile = (text) => {
  const kept = join(KEPT, `${createHash('sha1').update(text).digest('hex')}.js`);
  try {
    return readFileSync(kept, 'utf8');
  } catch {
    const { ModuleKind, ScriptTarget, transpileModule } = require('typescript');
    const compilerOptions = {
      module: ModuleKind.CommonJS,
      target: ScriptTarget.ES2022,
      esModuleInterop: true,
    };
    const { outputText } = transpileModule(text, { compilerOptions });
    put(kept, outputText);
    return outputText;
  }
};

/**
 * Put the JavaScript of the `roots` of this checkout, such as `src`, at the same places below `folder`, for
 * processes that start as fast as a user's. Build output and installed packages are left out.
 */
exports.transpileInto = (folder, roots) => {
  for (const root of roots) {
    for (const name of readdirSync(join(ROOT, root), { encoding: 'utf8', recursive: true })) {
      if (!name.endsWith('.ts') || /(^|\/)(build|node_modules)\//.test(name)) continue;
      const text = readFileSync(join(ROOT, root, name), 'utf8');
      put(join(folder, root, name.replace(/ts$/, 'js')), exports.transpile(text));
    }
  }
};
