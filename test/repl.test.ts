/** `require('epoll-ffi').watch(0, () => ...)`, as it is typed into a REPL, and as `node -e` runs it. */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { Pty } from '../src/watch/stream/pty';
import { Child, ROOT } from './support/child';
import { expectNoFdLeaks } from './support/fd-leaks';
import { RUNS_TYPESCRIPT } from './support/runs-typescript';
import { next, until } from './support/until';

expectNoFdLeaks();

const NODE_OPTIONS = RUNS_TYPESCRIPT.join(' ');
const PACKAGE = JSON.stringify(join(ROOT, 'src'));

test('a line in a REPL: keys are emitted, and the REPL goes on', async () => {
  using pty = new Pty({ columns: 200 });
  const slave = pty.openSlave();
  const child = spawn(process.execPath, ['-i'], {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS, NO_COLOR: '1', NODE_REPL_HISTORY: '' },
    stdio: [slave, slave, slave],
  });
  closeSync(slave);
  const exit = next(child, 'exit');
  let screen = '';
  pty.on('data', (chunk) => {
    screen += chunk;
  });
  const told = (): number => screen.split('fd 0: 1!').length - 1;
  await until(() => screen.includes('> '));
  pty.write(`const w = require(${PACKAGE}).watch(0, (e) => console.log('fd 0:', e + '!'))\r`);
  // The line's own Enter may be told of, if the REPL has not read it by then.
  await until(() => /undefined\r\n(.|\r|\n)*> /.test(screen));
  const before = told();
  // The REPL reads the same fd: a key that it has taken before our loop looks is not told.
  await until(() => pty.write(' ') && told() > before);
  pty.write('6 * 7\r');
  await until(() => /\b42\r\n/.test(screen));
  pty.write('w.close(); [w.closed, "left"]\r');
  await until(() => screen.includes("[ true, 'left' ]"));
  pty.write('.exit\r');
  expect(await exit).toEqual([0, null]);
});

test('a line for node -e: it ends when its input has been read', async () => {
  const line = `const w = require(${PACKAGE}).watch(0, () => {
    const text = require('fs').readFileSync(0, 'utf8');
    console.log('read', text.length);
    w.close();
  })`;
  const child = new Child(process.execPath, ['-e', line], { NODE_OPTIONS });
  child.process.stdin?.end('hello\n');
  await child.printed(/^read 6$/m);
  expect(await child.exit()).toEqual({ code: 0, signal: null });
});
