/** `jest --workerThreads` loads a copy of the package for each test file, several in one worker. */
import { join } from 'node:path';
import { Child, ROOT } from '../support/child';
import { expectNoFdLeaks } from '../support/fd-leaks';
import { makeFolder } from '../support/folder';

expectNoFdLeaks();

test.each([1, 2])('two test files that load the package, in %i worker threads', async (workers) => {
  const config = {
    rootDir: ROOT,
    roots: [join(ROOT, 'test/loop/jest-threads')],
    testMatch: ['**/*.fixture.ts'],
    testEnvironment: 'node',
    transform: { '\\.ts$': join(__dirname, 'jest-threads/transform.js') },
    // Or jest would run quick tests in its own thread.
    workerIdleMemoryLimit: '1GB',
    cacheDirectory: makeFolder(),
  };
  const child = new Child(process.execPath, [
    join(ROOT, 'node_modules/jest/bin/jest.js'),
    '--workerThreads',
    `--maxWorkers=${workers}`,
    `--config=${JSON.stringify(config)}`,
  ]);
  const { code, signal } = await child.exit();
  expect([child.stderr, code, signal]).toEqual([
    expect.stringContaining('2 passed, 2 total'),
    0,
    null,
  ]);
});
