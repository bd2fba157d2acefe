/** Waiter threads of the tests inherit from these arguments how TypeScript is run; see typescript.js. */
process.execArgv = [...process.execArgv, '-r', require.resolve('./typescript.js')];
