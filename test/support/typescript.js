/** Lets a process or a worker run TypeScript without a compiler in it: `node -r .../typescript.js file.ts`. */
const { readFileSync } = require('node:fs');
const { transpile } = require('./transpile.js');

require.extensions['.ts'] = (module, filename) => {
  module._compile(transpile(readFileSync(filename, 'utf8')), filename);
};
