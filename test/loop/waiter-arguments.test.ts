/** A process that runs TypeScript, with a flag that no worker takes: its waiter thread starts all the same. */
import { execFileSync } from 'node:child_process';
import { ROOT } from '../support/child';
import { RUNS_TYPESCRIPT } from '../support/runs-typescript';

const PROGRAM = `
  const { waiterThreads } = require('./src/loop/waiter-pool');
  const { Waker } = require('./src/epoll/waker');
  const { watch } = require('./src/watch/fd-watcher');
  const waker = new Waker();
  watch(waker.fd);
  setInterval(() => {
    if (!waiterThreads().some(({ state }) => state === 'waiting')) return;
    console.log('it waits');
    process.exit();
  }, 10);`;

test.each([
  ['-r', [...RUNS_TYPESCRIPT]],
  ['--require=', [`--require=${RUNS_TYPESCRIPT[1]}`]],
])('TypeScript by %s, beside --expose-gc', (_form, words) => {
  const output = execFileSync(process.execPath, ['--expose-gc', ...words, '-e', PROGRAM], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 30_000,
  });
  expect(output).toBe('it waits\n');
});
