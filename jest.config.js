/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // Types are checked once, by `npm run types`; the tests are only transpiled.
  transform: { '\\.ts$': ['ts-jest', { diagnostics: false }] },
  setupFiles: ['<rootDir>/test/support/jest-setup.js'],
  // Much of a test's time is waiting: one worker for each core, not one fewer.
  maxWorkers: '100%',
  // A hang shows within seconds. A test that needs more sets its own limit: see CONTRIBUTING.md.
  testTimeout: 10_000,
};
