/** The same for `import`: Node finds the names in the CommonJS build. */
export * from './index.js';
