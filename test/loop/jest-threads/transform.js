/** TypeScript for the jest of jest-threads.test.ts, without a compiler in its workers. */
const { transpile } = require('../../support/transpile.js');

exports.process = (text) => ({ code: transpile(text) });
