/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // Types are checked once, by `npm run types`; the tests are only transpiled.
  transform: { '\\.ts$': ['ts-jest', { diagnostics: false }] },
  testTimeout: 240_000,
};
