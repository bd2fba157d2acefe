/**
 * Lets a process or a worker run TypeScript without a compiler in it: `node -r .../typescript.js file.ts`.
 * What a file becomes is kept by its text, for all processes and for the next run.
 */
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { threadId } = require('node:worker_threads');

const KEPT = join(__dirname, '../../node_modules/.cache/epoll-ffi');

/** The JavaScript of `text`. */
function transpiled(text) {
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
    mkdirSync(KEPT, { recursive: true });
    // In one step: somebody else may be reading it.
    const unfinished = `${kept}.${process.pid}.${threadId}`;
    writeFileSync(unfinished, outputText);
    renameSync(unfinished, kept);
    return outputText;
  }
}

require.extensions['.ts'] = (module, filename) => {
  module._compile(transpiled(readFileSync(filename, 'utf8')), filename);
};
